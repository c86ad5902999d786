/** Who judges: the server that the page comes from. `vocalics site` writes another file in this one's place. */

/**
 * @typedef {import("./js/local/ort.js").Bundled} Bundled
 * @type {{engine: "server" | "local", api: string, runtime: string, models: Bundled[]}}
 */
export const config = { engine: "server", api: "v1/", runtime: "", models: [] };
