"use strict";

// The page: frames go to the thread that computes, and are drawn when their results are there.

const WIDEST = 960; // pixels of the picture

const element = (id) => document.getElementById(id);
const facts = JSON.parse(element("facts").textContent);
const video = element("video");

/** The thread that computes, see worker.js. */
class Computing {
  #waiting = new Map();
  #asked = 0;
  #worker;

  constructor(source) {
    this.#worker = new Worker(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
    this.#worker.onmessage = ({ data: { id, answer, error } }) => {
      const { resolve, reject } = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) resolve(answer);
      else reject(new Error(error));
    };
  }

  /** Questions that have no answer yet. */
  get pending() {
    return this.#waiting.size;
  }

  /** The answer to a question of worker.js. */
  ask(question, given = {}, moved = []) {
    const id = this.#asked++;
    this.#worker.postMessage({ id, question, ...given }, moved);
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }
}

const computing = new Computing(element("worker").textContent);

/** Everything that page.py has packed into the page goes to the thread. */
async function load() {
  const packed = {};
  for (const script of document.querySelectorAll("script[data-packed]")) {
    packed[script.dataset.packed] = script.textContent;
    script.remove();
  }
  await computing.ask("load", { told: facts, packed });
  say("ready");
  element("controls").disabled = false;
}

function say(text) {
  element("status").textContent = text;
}

/** One video of a file or camera, from its first frame to its last, or until it is stopped. */
class Showing {
  #canvas = new OffscreenCanvas(1, 1);
  #pictures = []; // of frames whose results are not there yet
  #drawing = Promise.resolve();
  #stopping = new AbortController();
  #clips;
  #began = performance.now();
  #newest = this.#began; // when results came last
  #found = 0; // results
  #drawn = 0;
  #dropped = 0;

  /** Ends it before the next frame. */
  stop() {
    this.#stopping.abort();
  }

  /** Takes frames of a source until its end; a live one does not wait for the thread. */
  async run(source, isLive) {
    const { signal } = this.#stopping;
    let taken = 0;
    let before = Promise.resolve();
    for await (const [frame, rate, passed] of source(signal)) {
      if (signal.aborted) break;
      if (taken === 0) await this.#begin(frame, rate);
      // Dropped between groups, so that windows keep their rhythm.
      if (isLive && this.#group(taken) > this.#group(taken - 1) && this.#isLate) {
        this.#dropped += passed;
        continue;
      }
      this.#dropped += passed - 1;
      const pixels = await this.#take(frame);
      const asked = { pixels, passed: this.#room(taken, passed) };
      const results = computing.ask("push", asked, [pixels.buffer]);
      const next = results.then((found) => this.#draw(found));
      next.catch(() => this.stop()); // and the last one is awaited below
      if (!isLive) await before;
      before = next;
      taken += asked.passed;
    }
    await before;
    if (taken) this.#draw(await computing.ask("finish"));
    await this.#drawing;
  }

  async #begin(frame, rate) {
    [this.#canvas.width, this.#canvas.height] = [frame.videoWidth, frame.videoHeight];
    this.#clips = clipsAt(facts, rate);
    this.#began = this.#newest = performance.now();
    await computing.ask("begin", { size: this.#size, rate });
  }

  /** How many groups so many frames fill, whose results come together. */
  #group(frames) {
    return Math.floor(this.#clips.pace.places(frames) / this.#clips.span);
  }

  /** How many of the frames that passed the group under way has room for. */
  #room(taken, passed) {
    let room = 1;
    while (room < passed && this.#group(taken + room) === this.#group(taken)) room++;
    return room;
  }

  /** Whether a group of frames has no answer yet. */
  get #isLate() {
    return computing.pending > this.#clips.pace.frame(this.#clips.span - 1);
  }

  get #size() {
    return [this.#canvas.width, this.#canvas.height];
  }

  /** The pixels of a frame, of which a picture is kept. */
  async #take(frame) {
    const context = this.#canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(frame, 0, 0);
    const { data } = context.getImageData(0, 0, ...this.#size);
    const resizeWidth = Math.min(WIDEST, this.#canvas.width);
    this.#pictures.push(await createImageBitmap(this.#canvas, { resizeWidth }));
    return data;
  }

  /** Has frames drawn one after the other, in the time in which the next are computed. */
  #draw(results) {
    const now = performance.now();
    const each = (now - this.#newest) / Math.max(results.length, 1);
    if (results.length) this.#newest = now;
    this.#found += results.length;
    const rate = (1000 * this.#found) / (now - this.#began);
    const pictures = this.#pictures.splice(0, results.length);
    this.#drawing = this.#drawing.then(async () => {
      for (const [i, result] of results.entries()) {
        drawFrame(element("picture"), pictures[i], result, this.#size, facts);
        pictures[i].close();
        this.#tell(rate);
        await new Promise((resolve) => setTimeout(resolve, each));
      }
    });
  }

  #tell(rate) {
    this.#drawn++;
    const dropped = this.#dropped ? `, ${this.#dropped} dropped` : "";
    say(`frame ${this.#drawn}, ${rate.toFixed(1)} frames/s${dropped}`);
  }
}

let showing = null;
let ended = Promise.resolve(); // what was shown before

/** Ends what is shown and shows something else: a function from a signal to frames. */
function show(source, isLive) {
  showing?.stop();
  const next = new Showing();
  showing = next;
  ended = ended
    .then(() => next.run(source, isLive))
    .catch((error) => say(`error: ${error.message}`))
    .finally(() => release(video));
}

element("file").addEventListener("change", ({ target }) => {
  const [file] = target.files;
  if (file) show((signal) => fileFrames(video, file, signal), false);
});
element("file").addEventListener("click", ({ target }) => (target.value = "")); // the same one again
element("camera").addEventListener("click", () => {
  show((signal) => cameraFrames(video, signal), true);
});
element("stop").addEventListener("click", () => showing?.stop());
load().catch((error) => say(`error: ${error.message}`));
