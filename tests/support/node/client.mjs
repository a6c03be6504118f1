// A client of the Signet protocol in another language: `ws`, and code generated from protos/.
//
// Started as `node client.mjs URL`, in a folder with node_modules and the generated code in gen/.
// One JSON line in is one thing to do, one JSON line out is one frame that came; byte strings are
// base64, as protobuf's own JSON has them.

import { createInterface } from "node:readline";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(pathToFileURL(`${process.cwd()}/`));
const WebSocket = require("ws");
const { fromBinary, fromJson, toBinary, toJson } = require("@bufbuild/protobuf");
const generated = await import(pathToFileURL(`${process.cwd()}/gen/signet/v1/messaging_pb.js`));
const { ClientFrameSchema, ServerFrameSchema } = generated;

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

const socket = new WebSocket(process.argv[2], "signet.v1");
socket.binaryType = "nodebuffer";
socket.on("open", () => say({ open: { protocol: socket.protocol, extensions: socket.extensions } }));
socket.on("error", (error) => say({ error: error.message }));
socket.on("message", (data, isBinary) => {
  if (!isBinary) return say({ error: "a text frame" });
  return say(toJson(ServerFrameSchema, fromBinary(ServerFrameSchema, data)));
});
socket.on("close", (code, reason) => {
  say({ closed: { code, reason: reason.toString() } });
  process.exit(0);
});

createInterface({ input: process.stdin }).on("line", (line) => {
  const frame = fromJson(ClientFrameSchema, JSON.parse(line));
  socket.send(toBinary(ClientFrameSchema, frame));
});
