"use strict";

// Where frames come from: a video file, frame by frame, or a camera, as they come. Both yield
// [video, rate, passed]: what shows the frame, how many there are a second, and how many there were
// since the one before, this one included. Both end soon after their signal.

const MEASURED = 0.5; // seconds in which a rate is found
const FEWEST = 6; // frames of a camera, at least, that it is found by

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
async function* fileFrames(video, file, signal) {
  const source = URL.createObjectURL(file);
  const times = [];
  for await (const begins of framesOf(video, source, signal)) {
    times.push(begins);
    if (begins - times[0] >= MEASURED) break;
  }
  const steps = times.slice(1).map((time, i) => time - times[i]);
  const rate = steps.length ? steps.length / (times.at(-1) - times[0]) : DEFAULT_RATE;
  const step = steps.length ? Math.min(...steps) : undefined;
  for await (const _ of framesOf(video, source, signal, step)) yield [video, rate, 1];
}

/**
 * Shows each frame of a video in turn, and yields the second at which it begins.
 *
 * How far frames are apart is found on the way, as no browser tells it: it goes on to where the
 * middle of the next frame must be, and looks again a step later where it is still the same.
 * `step` is from a frame to the next, the shortest so far, if it is known.
 */
async function* framesOf(video, source, signal, step) {
  if (signal.aborted) return;
  const ready = happens(video, "loadeddata");
  video.src = source;
  await ready;
  if (!Number.isFinite(video.duration)) throw new Error("the file does not tell how long it is");
  const end = video.duration - FINEST / 10; // the last frame may end before its middle would be
  let last = -Infinity;
  let looked = -Infinity;
  let target = Math.min(FINEST / 2, end);
  while (target > looked && !signal.aborted) {
    const begins = await seek(video, target);
    looked = target;
    if (begins > last) {
      yield begins;
      if (last > -Infinity) step = Math.min(step ?? Infinity, begins - last);
      last = begins;
      target = begins + (step ? 1.5 * step : FINEST);
    } else {
      target += step ?? FINEST;
    }
    target = Math.min(target, end);
  }
}

/** Frames of a camera as they come, until it ends, but for those that its rate is found by. */
async function* cameraFrames(video, signal) {
  if (!navigator.mediaDevices) throw new Error("only files and https pages may use a camera");
  // Smaller than most cameras' own, and larger than what models look at.
  const wanted = { width: { ideal: 640 }, height: { ideal: 360 } };
  video.srcObject = await navigator.mediaDevices.getUserMedia({ video: wanted });
  await video.play();
  const times = [];
  let rate;
  let count;
  for await (const seconds of arrivals(video, signal)) {
    if (times.length <= FEWEST || times.at(-1) - times[0] < MEASURED) {
      times.push(seconds);
      continue;
    }
    rate ??= cameraRate(times);
    count ??= new Count(rate);
    const passed = count.passed(seconds);
    if (passed) yield [video, rate, passed];
  }
}

/**
 * The seconds at which frames of a camera were taken, or came if that is not told.
 *
 * Of those that come while one is looked at only the newest is told, which is shown then.
 */
async function* arrivals(video, signal) {
  const over = Promise.race([
    happens(video, "ended"),
    new Promise((resolve) => signal.addEventListener("abort", resolve)),
  ]);
  let newest = null;
  let tell = () => {};
  const hear = (now, { captureTime }) => {
    newest = (captureTime ?? now) / 1000;
    asked = video.requestVideoFrameCallback(hear);
    tell();
  };
  let asked = video.requestVideoFrameCallback(hear);
  try {
    while (!video.ended && !signal.aborted) {
      const seconds = newest;
      newest = null;
      if (seconds !== null) yield seconds;
      else await Promise.race([new Promise((resolve) => (tell = resolve)), over]);
    }
  } finally {
    video.cancelVideoFrameCallback(asked);
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
