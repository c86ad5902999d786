"""What a model can be compiled for: processors, and the boards under qemu on which microcontrollers' images are tried.

A target is data: which compiler options make a program for it, what runs that program here, how fast its processor
usually is. Everything else is the same C for all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from vocalics.errors import CompileError
from vocalics.registry import lookup


@dataclass(frozen=True)
class Board:
    """A board that qemu knows, and what its image needs.

    Attributes:
        machine: Its name in qemu.
        emulator: The command that runs an image given after it.
        startup: The file of ``edge/boards`` with its first instructions.
        flash: Origin and length of the memory for code and constants, as the linker script writes them.
        ram: Origin and length of the memory for variables.
        more: Origin and length of memory for the constants of models that are larger than ``flash``.
        instructions_per_tick: How many instructions qemu (``-icount shift=0``) runs in one tick of the image's clock.
        stack_bytes: What the image keeps for its stack.
    """

    machine: str
    emulator: tuple[str, ...]
    startup: str
    flash: tuple[str, str]
    ram: tuple[str, str]
    more: tuple[str, str]
    instructions_per_tick: int
    stack_bytes: int = 8192


@dataclass(frozen=True)
class Target:
    """A kind of processor.

    Attributes:
        name: As on the command line.
        about: What it stands for, in a few words.
        triple: Zig's name for it; empty stands for the computer that compiles.
        cpu: The least processor that the program runs on, in Zig's words.
        suffix: Of the file that is made.
        lanes: How many float32 numbers one of its vector instructions works on.
        clock_mhz: Of a usual one, in MHz.
        clock_of: Which one.
        gcc: The cross compiler of Debian and its options; empty where there is none.
        emulator: What runs the program on a computer of another kind; empty where nothing does.
        flags: Options for Zig beside the usual ones.
        board: Where no operating system is; ``None`` for a program.
    """

    name: str
    about: str
    triple: str
    cpu: str
    suffix: str
    lanes: int
    clock_mhz: float
    clock_of: str
    gcc: tuple[str, ...] = ()
    emulator: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    board: Board | None = None


def _semihosted(emulator: str, machine: str, *options: str) -> tuple[str, ...]:
    quiet = ("-nographic", "-monitor", "none", "-serial", "none")
    return (emulator, "-M", machine, *options, *quiet, "-semihosting-config", "enable=on,target=native",
            "-icount", "shift=0", "-kernel")  # fmt: skip


def _mps2(machine: str, more: str, flash: str = "0x00000000", ram: str = "0x20000000", mhz: int = 25) -> Board:
    """One of Arm's FPGA boards: 4 MB of memory each for code and variables, 16 MB more.

    Their clock runs at ``mhz``, and an instruction takes qemu a nanosecond.
    """
    emulator = _semihosted("qemu-system-arm", machine)
    return Board(machine, emulator, "cortex_m.c", (flash, "4M"), (ram, "4M"), (more, "16M"), 1000 // mhz)


def _thumb(cpu: str, fpu: str) -> tuple[str, ...]:
    return ("arm-none-eabi-gcc", "-mthumb", f"-mcpu={cpu}", f"-mfpu={fpu}", "-mfloat-abi=hard")


_VIRT = Board(
    "virt",
    _semihosted("qemu-system-riscv32", "virt", "-bios", "none"),
    "riscv.c",
    ("0x80000000", "4M"),
    ("0x80400000", "4M"),
    ("0x81000000", "64M"),
    1,
)

TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        Target(
            "x86_64", "Linux on PCs and servers since 2013", "x86_64-linux-musl", "x86_64_v3", "",
            8, 3000, "a PC", ("gcc", "-static", "-march=x86-64-v3"), ("qemu-x86_64",),
        ),
        Target(
            "aarch64", "Linux on 64-bit Arm: Raspberry Pi 3, 4, 5, Zero 2 W", "aarch64-linux-musl", "cortex_a53", "",
            4, 1500, "a Raspberry Pi 4", ("aarch64-linux-gnu-gcc", "-static", "-mcpu=cortex-a53"), ("qemu-aarch64",),
        ),
        Target(
            "armv7", "Linux on 32-bit Arm: Raspberry Pi 2 and later, BeagleBone", "arm-linux-musleabihf",
            "cortex_a7", "", 4, 900, "a Raspberry Pi 2",
            ("arm-linux-gnueabihf-gcc", "-static", "-mcpu=cortex-a7", "-mfpu=neon-vfpv4"), ("qemu-arm",),
        ),
        Target(
            "riscv64", "Linux on 64-bit RISC-V without vectors: VisionFive 2, HiFive", "riscv64-linux-musl",
            "baseline_rv64", "", 1, 1500, "a VisionFive 2",
            ("riscv64-linux-gnu-gcc", "-static", "-march=rv64gc"), ("qemu-riscv64",),
        ),
        Target(
            "windows-x86_64", "Windows on PCs since 2013", "x86_64-windows-gnu", "x86_64_v3", ".exe",
            8, 3000, "a PC", ("x86_64-w64-mingw32-gcc", "-static", "-march=x86-64-v3"), ("wine",),
        ),
        Target(
            "wasm32-wasi", "WebAssembly with 128-bit vectors, outside a browser", "wasm32-wasi", "generic+simd128",
            ".wasm", 4, 3000, "a PC", (), ("wasmtime",),
        ),
        Target(
            "cortex-m4", "Cortex-M4F without an operating system: STM32F4, nRF52, SAM D5x",
            "thumb-freestanding-eabihf", "cortex_m4+vfp4d16sp", ".elf", 1, 168, "an STM32F407",
            _thumb("cortex-m4", "fpv4-sp-d16"), (), (), _mps2("mps2-an386", "0x21000000"),
        ),
        Target(
            "cortex-m7", "Cortex-M7 without an operating system: STM32F7, STM32H7, i.MX RT, Teensy 4",
            "thumb-freestanding-eabihf", "cortex_m7+fp_armv8d16sp", ".elf", 1, 480, "an STM32H743",
            _thumb("cortex-m7", "fpv5-sp-d16"), (), (), _mps2("mps2-an500", "0x60000000"),
        ),
        Target(
            "cortex-m33", "Cortex-M33 without an operating system: STM32U5, nRF53, RP2350",
            "thumb-freestanding-eabihf", "cortex_m33+fp_armv8d16sp+dsp", ".elf", 1, 150, "an RP2350",
            _thumb("cortex-m33", "fpv5-sp-d16"), (), (),
            _mps2("mps2-an505", "0x80000000", "0x10000000", "0x38000000", 20),
        ),
        Target(
            "rv32", "32-bit RISC-V with floating point, without an operating system: ESP32-P4",
            "riscv32-freestanding", "generic_rv32+m+a+f+c", ".elf", 1, 400, "an ESP32-P4",
            ("riscv64-unknown-elf-gcc", "-march=rv32imafc", "-mabi=ilp32f", "-msmall-data-limit=0"), (), (), _VIRT,
        ),
    )
}  # fmt: skip
"""All targets by name."""


def target(name: str) -> Target:
    """Return the target of a name.

    Raises:
        CompileError: When there is none; the message offers the closest.
    """
    return lookup(TARGETS, name, "target", CompileError)
