"""From a model file to a program for a device: C source without dependencies, compiled and checked."""
