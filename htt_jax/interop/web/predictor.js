"use strict";

/**
 * Poses, objects and action of one video, frame by frame.
 *
 * `facts` tell how the model sees, as page.py writes them; `parts` are its three functions from
 * named arrays to named arrays: of frames, of windows, of clips. An array is {data, dims}.
 */
class Predictor {
  #facts;
  #parts;
  #size;
  #clips;
  #action = new RunningAction();
  #features = []; // of the frames at the places of the group under way
  #tokens = []; // of each window so far, of each clip under way
  #windows = 0; // of the clips under way
  #pushed = 0; // frames
  #places = 0; // of the groups before
  #held = new Map(); // results of frames that are not out yet
  #seen = new Set(); // those of them that were not missed

  /** Frames are of [width, height] `size`, and `rate` of them a second. */
  constructor(facts, parts, size, rate) {
    this.#facts = facts;
    this.#parts = parts;
    this.#size = size;
    this.#clips = clipsAt(facts, rate);
  }

  /**
   * Takes the next frame, RGBA; returns the results of its group if it is the last of it.
   *
   * `passed`: so many frames there were since the one before, this one included; it stands for
   * those that were missed, of which there are no results.
   */
  async push(pixels, passed = 1) {
    const { modelSize } = this.#facts;
    const { span, pace } = this.#clips;
    const image = toImage(atModelSize(pixels, this.#size, this.#facts));
    const dims = [1, 1, modelSize[1], modelSize[0], 3];
    const { frame_features } = await this.#parts.frames({ image: { data: image, dims } });
    const results = [];
    const before = pace.places(this.#pushed);
    this.#pushed += passed;
    this.#seen.add(this.#pushed - 1);
    for (let again = pace.places(this.#pushed) - before; again > 0; again--) {
      this.#features.push(frame_features.data);
      if (this.#features.length === span) results.push(...(await this.#group()));
    }
    return results;
  }

  /** Ends the video; returns the results of all frames that are not out yet. */
  async finish() {
    return this.#features.length ? this.#group() : [];
  }

  async #group() {
    const { window, frames } = this.#clips;
    const features = this.#features;
    this.#features = [];
    const windows = windowsOf(features.length, this.#clips);
    const told = await this.#parts.windows(this.#windowInputs(features, windows));
    const begins = this.#windows % (frames / window) === 0;
    if (begins) [this.#tokens, this.#windows] = [windows.map(() => []), 0];
    this.#windows += 1;
    rowsOf(told.frame_tokens, 1).forEach((tokens, clip) => this.#tokens[clip].push(tokens));
    const { action_logits } = await this.#parts.clips(this.#clipInputs(windows));
    const said = rowsOf(action_logits, 1).map(softmax);
    const actions = this.#action.add(said, features.length, begins);
    return this.#ofFrames(actions.map((action, place) => ({ action, ...this.#at(place, told) })));
  }

  /** What is said at the places of a group, of the frames that no later place shows. */
  #ofFrames(said) {
    const { pace } = this.#clips;
    for (const result of said) {
      const frame = pace.frame(this.#places++);
      // The pose is that of the place which shows it first; what is known then, that of the last.
      const { action } = result;
      this.#held.set(frame, { ...(this.#held.get(frame) ?? result), action });
    }
    const out = [...this.#held].filter(([frame]) => pace.places(frame + 1) <= this.#places);
    out.forEach(([frame]) => this.#held.delete(frame));
    return out.filter(([frame]) => this.#seen.delete(frame)).map(([, result]) => result);
  }

  #windowInputs(features, windows) {
    const { window } = this.#facts;
    const dims = [windows.length, window];
    const seen = windows.flatMap(({ frames }) => frames.map((frame) => features[frame]));
    const matrices = new Float32Array(seen.length * 9);
    seen.forEach((_, i) => matrices.set(this.#camera(), 9 * i));
    return {
      frame_features: { data: joined(seen), dims: [seen.length, seen[0].length] },
      valid: { data: Uint8Array.from(windows.flatMap(({ valid }) => valid)), dims },
      intrinsics: { data: matrices, dims: [...dims, 3, 3] },
    };
  }

  /** The clips of the newest `windows`, as far as they have come. */
  #clipInputs(windows) {
    const { window } = this.#facts;
    const count = this.#windows * window;
    const tokens = joined(this.#tokens.slice(0, windows.length).flat());
    const before = new Array(count - window).fill(true);
    return {
      frame_tokens: {
        data: tokens,
        dims: [windows.length, count, tokens.length / windows.length / count],
      },
      valid: {
        data: Uint8Array.from(windows.flatMap(({ valid }) => [...before, ...valid])),
        dims: [windows.length, count],
      },
    };
  }

  /** The dataset's camera at the model's size, whatever the size of the frames. */
  #camera() {
    const { camera, nativeSize, modelSize } = this.#facts;
    const [x, y] = [0, 1].map((axis) => modelSize[axis] / nativeSize[axis]);
    return [camera[0] * x, 0, camera[2] * x, 0, camera[1] * y, camera[3] * y, 0, 0, 1];
  }

  /** What is told of the frame at a place of a group; pixels are its own. */
  #at(place, told) {
    const { modelSize } = this.#facts;
    const { window, spacing } = this.#clips;
    const of = (name) => rowsOf(told[name], 2)[(place % spacing) * window + Math.floor(place / spacing)];
    const pixels = Array.from(of("joints_2d"), (x, i) => (x * this.#size[i % 2]) / modelSize[i % 2]);
    return {
      joints2d: pairs(pixels, 2),
      depth: Array.from(of("depth")),
      joints3d: pairs(Array.from(of("joints_3d")), 3),
      object: softmax(of("object_logits")),
    };
  }
}

/** An array {data, dims} along its first `axes` axes. */
function rowsOf({ data, dims }, axes) {
  const count = dims.slice(0, axes).reduce((product, n) => product * n, 1);
  const length = data.length / count;
  return Array.from({ length: count }, (_, i) => data.subarray(i * length, (i + 1) * length));
}

function joined(rows) {
  const all = new Float32Array(rows.reduce((sum, row) => sum + row.length, 0));
  let at = 0;
  for (const row of rows) {
    all.set(row, at);
    at += row.length;
  }
  return all;
}

function pairs(values, length) {
  return Array.from({ length: values.length / length }, (_, i) =>
    values.slice(i * length, (i + 1) * length),
  );
}
