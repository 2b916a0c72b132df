"use strict";

// Where frames come from: a video file, frame by frame, or a camera, as they come. Both yield
// [video, rate]: what shows the frame, and how many there are a second.

const MEASURED = 0.5; // seconds in which a rate is found
const FEWEST = 6; // frames of a camera, at least, that it is found by
const DEFAULT_RATE = 30; // of a video of one frame

/** Resolves at the next `name` event of a video; rejects where it cannot be played. */
function happens(video, name) {
  const heard = new AbortController();
  const { signal } = heard;
  return new Promise((resolve, reject) => {
    const refuse = () => reject(new Error(`the video cannot be played: ${video.error.message}`));
    video.addEventListener(name, resolve, { signal });
    video.addEventListener("error", refuse, { signal });
  }).finally(() => heard.abort());
}

/** Shows the frame of a moment, in seconds; returns when it begins, as the file says. */
async function seek(video, seconds) {
  const shown = new Promise((resolve) => {
    video.requestVideoFrameCallback((_, { mediaTime }) => resolve(mediaTime));
  });
  const sought = happens(video, "seeked");
  video.currentTime = seconds;
  await sought;
  // A browser does not tell of a frame that it shows already.
  const nothing = new Promise((resolve) => setTimeout(resolve, 200, -Infinity));
  return Promise.race([shown, nothing]);
}

const FINEST = 1 / 240; // seconds; no frames are nearer to each other

/** Each frame of a video file in turn. Its rate is the mean of the first half second. */
async function* fileFrames(video, file) {
  const source = URL.createObjectURL(file);
  const times = [];
  for await (const begins of framesOf(video, source)) {
    times.push(begins);
    if (begins - times[0] >= MEASURED) break;
  }
  const steps = times.length - 1;
  const rate = steps ? steps / (times[steps] - times[0]) : DEFAULT_RATE;
  for await (const _ of framesOf(video, source)) yield [video, rate];
}

/**
 * Shows each frame of a video in turn, and yields the second at which it begins.
 *
 * How far frames are apart is found on the way, as no browser tells it: it goes on to where the
 * middle of the next frame must be, and looks again a step later where it is still the same.
 */
async function* framesOf(video, source) {
  const ready = happens(video, "loadeddata");
  video.src = source;
  await ready;
  if (!Number.isFinite(video.duration)) throw new Error("the file does not tell how long it is");
  let step; // from a frame to the next, the shortest so far
  let last = -Infinity;
  let target = FINEST / 2;
  while (target < video.duration) {
    const begins = await seek(video, target);
    if (begins > last) {
      yield begins;
      if (last > -Infinity) step = Math.min(step ?? Infinity, begins - last);
      last = begins;
      target = begins + (step ? 1.5 * step : FINEST);
    } else {
      target += step ?? FINEST;
    }
  }
}

/** Frames of a camera as they come, until it ends, but for those that its rate is found by. */
async function* cameraFrames(video) {
  if (!navigator.mediaDevices) throw new Error("only files and https pages may use a camera");
  // Smaller than most cameras' own, and larger than what models look at.
  const wanted = { width: { ideal: 640 }, height: { ideal: 360 } };
  video.srcObject = await navigator.mediaDevices.getUserMedia({ video: wanted });
  await video.play();
  const ended = happens(video, "ended");
  const next = () => {
    const frame = new Promise((resolve) => {
      video.requestVideoFrameCallback((now, { captureTime }) => resolve((captureTime ?? now) / 1000));
    });
    return Promise.race([frame, ended]);
  };
  const times = [];
  while (!video.ended && (times.length <= FEWEST || times.at(-1) - times[0] < MEASURED)) {
    times.push(await next());
  }
  while (!video.ended) {
    await next();
    if (!video.ended) yield [video, cameraRate(times)];
  }
}

/** Releases the file or camera of a video. */
function release(video) {
  video.srcObject?.getTracks().forEach((track) => track.stop());
  video.srcObject = null;
  if (video.src) URL.revokeObjectURL(video.src);
  video.removeAttribute("src");
  video.load(); // which lets go of what it has
}
