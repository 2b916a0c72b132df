"use strict";

// Frames at the model's size, as `prediction/frames.py` makes them with OpenCV and Pillow.

/** An output pixel: the first pixel it is made of, and the weight of each from there on. */
const tap = (first, weights) => ({ first, weights });

/** Each of `to` pixels averages its share of `from` pixels: OpenCV's INTER_AREA. */
function areaTaps(from, to) {
  const scale = from / to;
  return Array.from({ length: to }, (_, i) => {
    const start = i * scale;
    const end = Math.min(start + scale, from);
    const first = Math.floor(start + 1e-3);
    const last = Math.ceil(end - 1e-3);
    const weights = [];
    for (let pixel = first; pixel < last; pixel++) {
      weights.push((Math.min(end, pixel + 1) - Math.max(start, pixel)) / (end - start));
    }
    return tap(first, weights);
  });
}

/** Between the two nearest of `from` pixels, in steps of 1/2048: OpenCV's INTER_LINEAR. */
function linearTaps(from, to) {
  return Array.from({ length: to }, (_, i) => {
    const place = Math.min(Math.max(((i + 0.5) * from) / to - 0.5, 0), from - 1);
    const first = Math.floor(place);
    const second = Math.round((place - first) * 2048) / 2048;
    return tap(first, second ? [1 - second, second] : [1]);
  });
}

/** A triangle over all of `from` pixels that it covers: Pillow's BILINEAR. */
function triangleTaps(from, to) {
  const one = 2 ** 22; // in fixed point, as there
  const scale = from / to;
  const reach = Math.max(scale, 1);
  return Array.from({ length: to }, (_, i) => {
    const centre = (i + 0.5) * scale;
    const first = Math.max(Math.trunc(centre - reach + 0.5), 0);
    const last = Math.min(Math.trunc(centre + reach + 0.5), from);
    const weights = [];
    for (let pixel = first; pixel < last; pixel++) {
      weights.push(Math.max(1 - Math.abs((pixel - centre + 0.5) / reach), 0));
    }
    const sum = weights.reduce((total, weight) => total + weight, 0);
    return tap(first, weights.map((weight) => Math.round((weight / sum) * one) / one));
  });
}

/** Resamples the middle axis of an array [outer, from, inner]; rounds where `made` is of bytes. */
function alongAxis(data, outer, inner, taps, made) {
  const from = data.length / outer / inner;
  const half = made instanceof Uint8ClampedArray ? 0.5 : 0;
  for (let row = 0; row < outer; row++) {
    taps.forEach(({ first, weights }, i) => {
      const source = (row * from + first) * inner;
      const target = (row * taps.length + i) * inner;
      for (let x = 0; x < inner; x++) {
        let sum = 0;
        for (let k = 0; k < weights.length; k++) sum += weights[k] * data[source + k * inner + x];
        made[target + x] = half ? Math.floor(sum + half) : sum;
      }
    });
  }
  return made;
}

/** RGBA pixels of [width, height] `size` at the size `to`. */
function resized(pixels, size, to, tapsOf) {
  const [across, down] = [0, 1].map((axis) => tapsOf(size[axis], to[axis]));
  // Pillow keeps whole numbers between its two passes, OpenCV does not.
  const Between = tapsOf === triangleTaps ? Uint8ClampedArray : Float32Array;
  const narrow = alongAxis(pixels, size[1], 4, across, new Between(4 * to[0] * size[1]));
  return alongAxis(narrow, 1, 4 * to[0], down, new Uint8ClampedArray(4 * to[0] * to[1]));
}

const fits = (inner, outer) => inner[0] <= outer[0] && inner[1] <= outer[1];

/**
 * RGBA pixels of a frame at the model's size, the way its training data came to it.
 *
 * Frames larger than a prepared dataset's go through that size with the dataset's own filter; from
 * there on areas are averaged.
 */
function atModelSize(pixels, size, { modelSize, storedSize, antialiased }) {
  if (!fits(size, storedSize)) {
    const stored = fits(modelSize, storedSize) ? storedSize : modelSize;
    pixels = resized(pixels, size, stored, antialiased ? triangleTaps : linearTaps);
    size = stored;
  }
  if (size[0] === modelSize[0] && size[1] === modelSize[1]) return pixels;
  return resized(pixels, size, modelSize, fits(modelSize, size) ? areaTaps : linearTaps);
}

/** What the model takes of RGBA pixels: red, green and blue from -0.5 to 0.5. */
function toImage(pixels) {
  const image = new Float32Array((pixels.length / 4) * 3);
  for (let from = 0, to = 0; from < pixels.length; from += 4) {
    for (let channel = 0; channel < 3; channel++) {
      image[to++] = Math.fround(pixels[from + channel] / 255) - 0.5;
    }
  }
  return image;
}
