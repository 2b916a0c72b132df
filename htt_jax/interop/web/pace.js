"use strict";

// Frames at an even pace, whatever a video was recorded at, as `data/pace.py`: no pixels.

const FINEST_PART = 12; // paces are fractions of so many parts at most

/** Every place of an even row shows a raw frame: place n the one that is `over / under` * n on. */
class Pace {
  #over;
  #under;

  constructor(over, under) {
    [this.#over, this.#under] = [over, under];
  }

  /** How many places there are of so many raw frames. */
  places(frames) {
    return Math.ceil((frames * this.#under) / this.#over);
  }

  /** The raw frame that a place shows. */
  frame(place) {
    return Math.floor((place * this.#over) / this.#under);
  }
}

/**
 * How a video of `rate` frames a second is cut whose every frame is to be met.
 *
 * `spacing` clips are under way at once, of windows of `window` frames; they take places in turn, of
 * which `pace` tells the raw frames. `span` places fill one window of each.
 */
function clipsAt({ window, frames, spacing, frameRate }, rate) {
  let [over, under] = [spacing, 1];
  if (frames > 1) [over, under] = snapped((rate * spacing) / frameRate);
  const together = Math.ceil(over / under);
  const pace = new Pace(over, under * together);
  return { window, frames, spacing: together, span: window * together, pace };
}

/** The nearest fraction [over, under] of not too many parts. */
function snapped(ratio) {
  const parts = Array.from({ length: FINEST_PART }, (_, i) => i + 1);
  const all = parts.map((under) => [Math.max(1, Math.round(ratio * under)), under]);
  const away = ([over, under]) => Math.abs(over / under - ratio);
  return all.reduce((best, next) => (away(next) < away(best) ? next : best));
}

const NEAR = 0.06; // of a usual rate, which is then meant
const USUAL_RATES = [10, 15, 20, 24, 25, 30, 50, 60, 90, 100, 120, 200, 240];
const DEFAULT_RATE = 30; // of what is too short to tell
const FASTEST = 1000; // frames a second; what seems faster has no times
const LONGEST = 2.5; // of a usual step; what is longer is a pause

/**
 * Frames a second of a camera whose frames came at these seconds.
 *
 * Their mean without pauses, not the median of `prediction/webcam.py`: a browser may tell when the
 * screen showed them, whose refreshes 25 frames a second meet in steps of 2 and 3.
 */
function cameraRate(times) {
  const steps = times.slice(1).map((time, i) => time - times[i]).sort((a, b) => a - b);
  const usual = steps[Math.floor(steps.length / 2)];
  const even = steps.filter((step) => step <= LONGEST * usual);
  const rate = even.length / even.reduce((sum, step) => sum + step, 0);
  if (!(rate > 0 && rate <= FASTEST)) return DEFAULT_RATE;
  const away = (known) => Math.abs(known / rate - 1);
  const nearest = USUAL_RATES.reduce((best, next) => (away(next) < away(best) ? next : best));
  return away(nearest) <= NEAR ? nearest : rate;
}

const FOLLOWED = 0.2; // of what a frame comes too soon or late

/** Counts frames of an even rate by the seconds at which they come, some of which are missed. */
class Count {
  #rate;
  #due; // when the newest frame would have come evenly

  constructor(rate) {
    this.#rate = rate;
  }

  /** How many frames there were since the one before, this one included; 0: it is one too many. */
  passed(seconds) {
    const steps = this.#due === undefined ? 1 : (seconds - this.#due) * this.#rate;
    const passed = Math.max(0, Math.round(steps));
    this.#due ??= seconds - 1 / this.#rate;
    this.#due += (passed + FOLLOWED * (steps - passed)) / this.#rate;
    return passed;
  }
}
