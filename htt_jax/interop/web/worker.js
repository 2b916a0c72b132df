"use strict";

// The thread that computes: it answers one question after the other, see `Worker` in page.js.

let facts;
let parts;
let predictor;

/** The bytes of what page.py has packed. */
async function unpacked(text) {
  const packed = atob(text);
  const bytes = new Uint8Array(packed.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = packed.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** A function from named arrays to named arrays. */
function asFunction(ort, session) {
  const tensor = ({ data, dims }) =>
    new ort.Tensor(data instanceof Uint8Array ? "bool" : "float32", data, dims);
  return async (arrays) => {
    const given = Object.entries(arrays).map(([name, array]) => [name, tensor(array)]);
    return session.run(Object.fromEntries(given));
  };
}

const answers = {
  /** Takes everything out of the page. */
  async load({ told, packed }) {
    facts = told;
    const program = new Blob([await unpacked(packed.program)], { type: "text/javascript" });
    const ort = await import(URL.createObjectURL(program));
    ort.env.wasm.wasmBinary = (await unpacked(packed.wasm)).buffer;
    const sessions = {};
    for (const name of ["frames", "windows", "clips"]) {
      const options = { executionProviders: ["wasm"], logSeverityLevel: 3 };
      const session = await ort.InferenceSession.create(await unpacked(packed[name]), options);
      sessions[name] = asFunction(ort, session);
    }
    parts = sessions;
  },
  begin: async ({ size, rate }) => void (predictor = new Predictor(facts, parts, size, rate)),
  push: ({ pixels, passed }) => predictor.push(pixels, passed),
  finish: () => predictor.finish(),
};

let last = Promise.resolve();
globalThis.onmessage = ({ data: { id, question, ...given } }) => {
  last = last
    .then(() => answers[question](given))
    .then((answer) => postMessage({ id, answer }))
    .catch((error) => postMessage({ id, error: String(error.message ?? error) }));
};
