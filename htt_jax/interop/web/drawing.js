"use strict";

// What was found, drawn over its frame.

const OUTLINE = "#0c0e12"; // these as `visual/colours.py`
const TEXT = "#e8ecf1";
const SHOWN = 3; // actions

/** A frame with its hands and action; `size` is that of the frame the result's pixels are of. */
function drawFrame(canvas, picture, result, size, facts) {
  [canvas.width, canvas.height] = [picture.width, picture.height];
  const context = canvas.getContext("2d");
  context.drawImage(picture, 0, 0);
  // Whole numbers are the centres of pixels, on a canvas their corners.
  const scale = [picture.width / size[0], picture.height / size[1]];
  const places = result.joints2d.map((point) => point.map((x, axis) => (x + 0.5) * scale[axis]));
  drawHands(context, places, result.depth, facts);
  drawWords(context, result, facts);
}

/** Bones from the farthest to the nearest, outlined, each from one joint's colour to the other's. */
function drawHands(context, places, depth, { bones, colours }) {
  const thickness = Math.max(1.5, Math.min(context.canvas.width, context.canvas.height) / 150);
  const away = ([a, b]) => depth[a] + depth[b];
  context.lineCap = "round";
  for (const bone of [...bones].sort((one, other) => away(other) - away(one))) {
    const [start, end] = bone.map((joint) => places[joint]);
    if (![...start, ...end].every(Number.isFinite)) continue;
    const shade = context.createLinearGradient(...start, ...end);
    bone.forEach((joint, i) => shade.addColorStop(i, colours[joint]));
    for (const [width, style] of [[thickness + 2, OUTLINE], [thickness, shade]]) {
      context.lineWidth = width;
      context.strokeStyle = style;
      context.beginPath();
      context.moveTo(...start);
      context.lineTo(...end);
      context.stroke();
    }
    for (const joint of bone) drawJoint(context, places[joint], thickness, colours[joint]);
  }
}

function drawJoint(context, place, thickness, colour) {
  const radius = thickness / 2 + 1.25;
  for (const [size, style] of [[radius + 1, OUTLINE], [radius, colour]]) {
    context.fillStyle = style;
    context.beginPath();
    context.arc(...place, size, 0, 2 * Math.PI);
    context.fill();
  }
}

/** The most probable actions so far, and the object, in the left upper corner. */
function drawWords(context, result, { actions, objects }) {
  const object = `object: ${ranked(result.object, objects)[0]}`;
  const lines = [...ranked(result.action, actions).slice(0, SHOWN), object];
  const size = Math.max(11, Math.round(context.canvas.height / 26));
  context.font = `${size}px system-ui, sans-serif`;
  const width = Math.max(...lines.map((line) => context.measureText(line).width));
  context.fillStyle = "#0f1217b0";
  context.fillRect(0, 0, width + 1.5 * size, (lines.length + 0.6) * 1.3 * size);
  context.fillStyle = TEXT;
  lines.forEach((line, i) => context.fillText(line, 0.7 * size, (i + 1.1) * 1.3 * size));
}

/** "pour milk 87 %", the most probable first. */
function ranked(probabilities, names) {
  const order = names.map((_, i) => i).sort((a, b) => probabilities[b] - probabilities[a]);
  const percent = (i) => `${Math.round(100 * probabilities[i])} %`;
  return order.map((i) => `${names[i].replaceAll("_", " ")} ${percent(i)}`);
}
