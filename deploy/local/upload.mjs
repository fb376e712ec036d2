// Puts a sample's source files into a container of Azurite (or of an account), as files.csv says, and makes containers.
//
//   AZURE_STORAGE_CONNECTION_STRING=... node upload.mjs SAMPLE_DIR SOURCE_CONTAINER [CONTAINER...]
//
// Plain HTTP with a shared key, so that nothing has to be installed beside Node.

import { createHmac } from "node:crypto";
import { readFile } from "node:fs/promises";
import { Agent, request as http } from "node:http";
import { request as https } from "node:https";
import { join } from "node:path";

const [folder, source, ...others] = process.argv.slice(2);
const connection = Object.fromEntries(
  (process.env.AZURE_STORAGE_CONNECTION_STRING ?? "")
    .split(";")
    .filter(Boolean)
    .map((part) => [part.slice(0, part.indexOf("=")), part.slice(part.indexOf("=") + 1)]),
);
if (!folder || !source || !connection.BlobEndpoint || !connection.AccountName || !connection.AccountKey) {
  console.error("usage: AZURE_STORAGE_CONNECTION_STRING='AccountName=..;AccountKey=..;BlobEndpoint=..' node upload.mjs SAMPLE_DIR SOURCE_CONTAINER [CONTAINER...]");
  process.exit(64);
}
const endpoint = new URL(connection.BlobEndpoint.replace(/\/?$/, "/"));
const agent = endpoint.protocol === "http:" ? new Agent({ keepAlive: true, maxSockets: 16 }) : undefined;

/** Sends one request; resolves to its status, or rejects where the service says no (a 409 is told, not thrown). */
function send(path, query, headers, body) {
  const all = { ...headers, "x-ms-date": new Date().toUTCString(), "x-ms-version": "2021-12-02" };
  const url = new URL(path, endpoint);
  const parameters = Object.entries(query);
  url.search = new URLSearchParams(parameters).toString();
  const canonical = Object.keys(all).filter((name) => name.startsWith("x-ms-")).sort().map((name) => `${name}:${all[name]}\n`).join("");
  const resource = `/${connection.AccountName}${url.pathname}${parameters.sort().map(([key, value]) => `\n${key}:${value}`).join("")}`;
  const length = body.length === 0 ? "" : String(body.length);
  const text = `PUT\n\n\n${length}\n\n${all["content-type"] ?? ""}\n\n\n\n\n\n\n${canonical}${resource}`;
  const signature = createHmac("sha256", Buffer.from(connection.AccountKey, "base64")).update(text, "utf8").digest("base64");
  all.authorization = `SharedKey ${connection.AccountName}:${signature}`;
  all["content-length"] = body.length;
  return new Promise((resolve, reject) => {
    const call = (agent ? http : https)(url, { method: "PUT", headers: all, agent }, (answer) => {
      const parts = [];
      answer.on("data", (part) => parts.push(part));
      answer.on("error", reject);
      answer.on("end", () => {
        if (answer.statusCode < 300 || answer.statusCode === 409) resolve(answer.statusCode);
        else reject(new Error(`PUT ${url.origin}${url.pathname}: ${answer.statusCode} ${Buffer.concat(parts)}`));
      });
    });
    call.on("error", reject);
    call.end(body);
  });
}

/** The rows of a CSV with quoted cells, without its header. */
function* rows(text) {
  let [row, cell, quoted] = [[], "", false];
  for (let at = text.indexOf("\n") + 1; at < text.length; at++) {
    const character = text[at];
    if (quoted) {
      if (character !== '"') cell += character;
      else if (text[at + 1] === '"') cell += text[at++];
      else quoted = false;
    } else if (character === '"') quoted = true;
    else if (character === "," || character === "\n") {
      row.push(cell);
      cell = "";
      if (character === "\n") {
        yield row;
        row = [];
      }
    } else cell += character;
  }
}

for (const container of [source, ...others]) await send(container, { restype: "container" }, {}, Buffer.alloc(0));

const files = rows(await readFile(join(folder, "files.csv"), "utf8"));
let uploaded = 0;
async function work() {
  for (const [path, name, md5, state] of files) {
    if (state === "missing") continue;
    const blob = `${source}/${name.split("/").map(encodeURIComponent).join("/")}`;
    const type = { "x-ms-blob-type": "BlockBlob", "content-type": "application/octet-stream" };
    await send(blob, {}, type, await readFile(join(folder, path)));
    // What the writer claims: for a corrupt file this is not the MD5 of its bytes.
    if (state === "corrupt") await send(blob, { comp: "properties" }, { "x-ms-blob-content-md5": md5 }, Buffer.alloc(0));
    uploaded++;
  }
}
await Promise.all(Array.from({ length: 16 }, work));
console.log(`${uploaded} source files are in the container ${source}`);
