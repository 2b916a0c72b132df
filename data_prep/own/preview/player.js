"use strict";

// Plays the frames that lie beside the page, with what was read of them.

const OUTLINE = "#0c0e12"; // these as `visual/colours.py`
const TEXT = "#e8ecf1";
const MISSED = 1; // px of a joint's place that rounding may cost at the image's edge

const facts = JSON.parse(document.getElementById("facts").textContent);
const at = (id) => document.getElementById(id);
const picture = at("picture");
const state = { recording: null, images: [], frame: 0, seconds: 0, playing: false, last: 0 };

function made(tag, className, text = "") {
  const found = document.createElement(tag);
  found.className = className;
  found.textContent = text;
  return found;
}

// Recordings

function choose(index) {
  const recording = facts.recordings[index];
  Object.assign(state, { recording, images: [], playing: false });
  at("recording").selectedIndex = index;
  at("before").disabled = index === 0;
  at("next").disabled = index === facts.recordings.length - 1;
  at("shown").textContent = recording.shown;
  at("sheet").src = at("sheet-link").href = `${recording.folder}/sheet.jpg`;
  at("notes").replaceChildren(...recording.notes.map((note) => made("li", "", note)));
  at("segments").replaceChildren(...recording.segments.map(row));
  drawTimeline();
  seek(0);
}

function row(segment) {
  const line = made("tr", segment.frames ? "" : "wrong");
  const numbers = segment.frames ? `${segment.first} to ${segment.last}` : "no frame lies there";
  const times = [segment.start, segment.end].map((x) => (x === null ? "" : x.toFixed(2)));
  const named = [segment.action, segment.object, segment.split, segment.subject];
  line.append(...named.map((text) => made("td", "", text)));
  line.append(...[...times, segment.frames].map((text) => made("td", "number", text)));
  line.append(made("td", "", numbers));
  line.firstChild.style.borderLeft = `8px solid ${facts.actions[segment.action]}`;
  if (segment.frames) line.addEventListener("click", () => seek(segment.start));
  return line;
}

// Time

/** The last frame shown that begins by then. */
function frameAt(seconds) {
  const times = state.recording.seconds;
  let low = 0;
  for (let high = times.length - 1; low < high; ) {
    const middle = Math.ceil((low + high) / 2);
    if (times[middle] <= seconds + 1e-4) low = middle;
    else high = middle - 1;
  }
  return low;
}

function seek(seconds) {
  state.seconds = Math.min(Math.max(seconds, 0), state.recording.duration);
  state.frame = frameAt(state.seconds);
  show();
}

function step(by) {
  play(false);
  const last = state.recording.seconds.length - 1;
  seek(state.recording.seconds[Math.min(Math.max(state.frame + by, 0), last)]);
}

function play(on) {
  state.playing = on;
  at("play").textContent = on ? "Pause" : "Play";
  if (!on) return;
  if (frameAt(state.seconds) === state.recording.seconds.length - 1) seek(0);
  state.last = performance.now();
  requestAnimationFrame(tick);
}

function tick(now) {
  if (!state.playing) return;
  const { recording } = state;
  const seconds = state.seconds + (Number(at("speed").value) * (now - state.last)) / 1000;
  state.last = now;
  // What is not there yet is waited for.
  const ready = image(frameAt(seconds)).complete;
  if (ready) seek(seconds);
  if (state.seconds >= recording.duration) play(false);
  else requestAnimationFrame(tick);
}

// Frames

function image(frame) {
  const { recording, images } = state;
  for (let i = frame; i < Math.min(frame + 8, recording.files.length); i++) {
    if (images[i]) continue;
    images[i] = new Image();
    images[i].addEventListener("load", () => images[state.frame] === images[i] && show());
    images[i].src = `${recording.folder}/${recording.files[i]}`;
  }
  return images[frame];
}

function show() {
  const { recording, frame } = state;
  const context = picture.getContext("2d");
  const shown = image(frame);
  const [width, height] = [picture.width, picture.height];
  context.clearRect(0, 0, width, height);
  if (shown.complete && shown.naturalWidth) context.drawImage(shown, 0, 0, width, height);
  if (at("drawn").checked) drawHands(context, recording.joints[frame]);
  at("cursor").style.left = `${(100 * state.seconds) / recording.duration}%`;
  at("timeline").setAttribute("aria-valuenow", state.seconds.toFixed(2));
  const number = recording.numbers[frame];
  const now = labelled(number);
  at("status").replaceChildren(
    made("b", "", now.map((segment) => segment.action).join(" and ") || "no label"),
    `, frame ${number}, ${recording.seconds[frame].toFixed(2)} s`,
    ...facts.hands.flatMap((hand, i) => [made("br", ""), said(hand, i, recording.joints[frame])]),
  );
  [...at("segments").children].forEach((line, i) =>
    line.classList.toggle("now", now.includes(recording.segments[i])),
  );
}

function labelled(number) {
  return state.recording.segments.filter((s) => s.frames && s.first <= number && number <= s.last);
}

function ofHand(joints, hand) {
  const count = facts.joints.length;
  return joints.slice(hand * count, (hand + 1) * count);
}

/** What is known of a hand; a joint is a place, null if not known, "behind" the camera. */
function said({ name }, hand, joints) {
  const named = ofHand(joints, hand).map((place, i) => [place, facts.joints[i]]);
  const which = (is) => named.filter(([place]) => is(place)).map(([, joint]) => joint);
  const unknown = which((place) => place === null);
  if (unknown.length === named.length) return `${name}: not known`;
  const parts = [`${name}: ${named.length - unknown.length} of ${named.length} joints known`];
  for (const [title, found] of [
    ["not", unknown],
    ["behind the camera", which((place) => place === "behind")],
    ["outside the image", which(isOutside)],
  ]) {
    if (found.length) parts.push(`${title}: ${found.join(", ")}`);
  }
  return parts.join("; ");
}

function isOutside(place) {
  return (
    Array.isArray(place) &&
    place.some((x, axis) => x < -MISSED || x > facts.size[axis] - 1 + MISSED)
  );
}

function drawHands(context, joints) {
  // Whole numbers are the centres of pixels, on a canvas their corners.
  const scale = [picture.width / facts.size[0], picture.height / facts.size[1]];
  const places = joints.map((place) =>
    Array.isArray(place) ? place.map((x, axis) => (x + 0.5) * scale[axis]) : null,
  );
  context.lineCap = "round";
  for (const bone of facts.bones) {
    const [start, end] = bone.map((joint) => places[joint]);
    if (!start || !end) continue;
    const shade = context.createLinearGradient(...start, ...end);
    bone.forEach((joint, i) => shade.addColorStop(i, facts.colours[joint]));
    for (const [width, style] of [[6, OUTLINE], [4, shade]]) {
      context.lineWidth = width;
      context.strokeStyle = style;
      context.beginPath();
      context.moveTo(...start);
      context.lineTo(...end);
      context.stroke();
    }
  }
  places.forEach((place, joint) => place && disc(context, place, 4, facts.colours[joint]));
  facts.hands.forEach(({ name, colour }, hand) => {
    const root = places[hand * facts.joints.length + facts.root];
    if (!root) return;
    disc(context, root, 11, colour);
    context.font = "bold 15px system-ui, sans-serif";
    context.fillStyle = TEXT;
    context.textAlign = "center";
    context.fillText(name[0].toUpperCase(), root[0], root[1] + 5.5);
  });
}

function disc(context, place, radius, colour) {
  for (const [size, style] of [[radius + 1.5, OUTLINE], [radius, colour]]) {
    context.fillStyle = style;
    context.beginPath();
    context.arc(...place, size, 0, 2 * Math.PI);
    context.fill();
  }
}

// Timeline

function drawTimeline() {
  const { recording } = state;
  const share = (seconds) => `${(100 * seconds) / recording.duration}%`;
  const block = (className, text, start, end, colour) => {
    const found = made("span", className, text);
    Object.assign(found.style, { left: share(start), width: share(end - start), background: colour });
    return found;
  };
  const count = 1 + Math.max(0, ...recording.segments.map(({ lane }) => lane));
  const lanes = Array.from({ length: count }, () => made("div", "lane"));
  for (const { frames, lane, action, start, end } of recording.segments) {
    if (frames) lanes[lane].append(block("segment", action, start, end, facts.actions[action]));
  }
  const times = [...recording.seconds, recording.duration];
  facts.hands.forEach(({ name, colour }, hand) => {
    const lane = made("div", "lane hand");
    recording.joints.forEach((joints, i) => {
      const known = ofHand(joints, hand).filter((place) => place !== null).length;
      if (!known) return;
      const found = block("", "", times[i], times[i + 1], colour);
      found.style.opacity = known === facts.joints.length ? 1 : 0.45;
      lane.append(found);
    });
    lane.append(made("span", "name", name));
    lanes.push(lane);
  });
  const cursor = made("div", "");
  cursor.id = "cursor";
  at("timeline").replaceChildren(...lanes, cursor);
  at("timeline").setAttribute("aria-valuemax", recording.duration.toFixed(2));
}

function seekPointer(event) {
  const { left, width } = at("timeline").getBoundingClientRect();
  seek(((event.clientX - left) / width) * state.recording.duration);
}

at("timeline").addEventListener("pointerdown", (event) => {
  at("timeline").setPointerCapture(event.pointerId);
  seekPointer(event);
});
at("timeline").addEventListener("pointermove", (event) => event.buttons && seekPointer(event));
at("play").addEventListener("click", () => play(!state.playing));
at("back").addEventListener("click", () => step(-1));
at("forward").addEventListener("click", () => step(1));
at("drawn").addEventListener("change", show);
at("before").addEventListener("click", () => choose(at("recording").selectedIndex - 1));
at("next").addEventListener("click", () => choose(at("recording").selectedIndex + 1));
at("recording").addEventListener("change", () => choose(at("recording").selectedIndex));
document.addEventListener("keydown", (event) => {
  if (/^(SELECT|BUTTON|INPUT)$/.test(event.target.tagName)) return;
  const does = { " ": () => play(!state.playing), ArrowLeft: () => step(-1), ArrowRight: () => step(1) };
  if (!(event.key in does)) return;
  event.preventDefault();
  does[event.key]();
});

at("recording").replaceChildren(...facts.recordings.map(({ name }) => made("option", "", name)));
choose(0);
