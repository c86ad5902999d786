/** The engine that the page's config names. */

/** @import { Engine } from "./types.js" */
import { config } from "../config.js";
import { LocalEngine } from "./engine-local.js";
import { ServerEngine } from "./engine-server.js";

/**
 * @param {(refused: boolean) => Promise<string | null>} askForToken
 * @returns {Engine}
 */
export function engine(askForToken) {
  return config.engine === "local" ? new LocalEngine(config) : new ServerEngine(config, askForToken);
}
