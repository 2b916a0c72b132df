"use strict";

// Which places make which window, and the action of the clips: index arithmetic, no pixels.

/**
 * The windows that a group of `count` places makes, `spacing` at most, which take them in turn.
 *
 * Each is {frames, valid}: the place in the group of each of its frames, and whether it is real;
 * padding repeats the last one.
 */
function windowsOf(count, { window, spacing }) {
  return Array.from({ length: Math.min(spacing, count) }, (_, clip) => {
    const real = Math.ceil((count - clip) / spacing);
    const places = Array.from({ length: window }, (_, place) => place);
    return {
      frames: places.map((place) => clip + spacing * Math.min(place, real - 1)),
      valid: places.map((place) => place < real),
    };
  });
}

function softmax(logits) {
  const largest = Math.max(...logits);
  const powers = Array.from(logits, (x) => Math.exp(x - largest));
  const sum = powers.reduce((total, x) => total + x, 0);
  return powers.map((x) => x / sum);
}

/**
 * The action of a video as it stands at each of its places: the mean over the clips begun so far.
 *
 * Each clip counts as it stands after its window that holds the place, or after its last one.
 */
class RunningAction {
  #ended = []; // the last word of each clip of former clip groups
  #underWay = [];

  /**
   * Takes what the clips under way say after the windows of a group of `count` places.
   *
   * Returns the probabilities at each of these. `begins`: these windows are their first.
   */
  add(said, count, begins) {
    if (begins) {
      this.#ended.push(...this.#underWay);
      this.#underWay = [];
    }
    const before = this.#underWay;
    this.#underWay = Array.from(
      { length: Math.max(before.length, said.length) },
      (_, clip) => said[clip] ?? before[clip],
    );
    return Array.from({ length: count }, (_, place) => {
      const now = this.#underWay.map((x, clip) => (clip <= place ? x : before[clip]));
      return mean([...this.#ended, ...now.filter((x) => x)]);
    });
  }
}

const mean = (rows) => rows[0].map((_, i) => rows.reduce((sum, row) => sum + row[i], 0) / rows.length);
