"use strict";

/* How verdicts and context look: colour, and beside it a pattern that needs no colour. */
const urcPatterns = ["", "lines", "dots", "cross", "", ""];

function urcPatternTile(kind) {
  const size = 8;
  const tile = document.createElement("canvas");
  tile.width = size;
  tile.height = size;
  const pen = tile.getContext("2d");
  pen.strokeStyle = "rgba(20, 20, 20, 0.55)";
  pen.fillStyle = "rgba(20, 20, 20, 0.6)";
  pen.lineWidth = 1;
  pen.beginPath();
  if (kind === "dots") {
    pen.arc(2, 2, 1.1, 0, 2 * Math.PI);
    pen.arc(6, 6, 1.1, 0, 2 * Math.PI);
    pen.fill();
    return tile;
  }
  for (const shift of [-size, 0, size]) {
    pen.moveTo(shift - 1, size + 1);
    pen.lineTo(shift + size + 1, -1);
    if (kind === "cross") {
      pen.moveTo(shift - 1, -1);
      pen.lineTo(shift + size + 1, size + 1);
    }
  }
  pen.stroke();
  return tile;
}

class UrcLooks {
  constructor(verdicts) {
    this.verdicts = verdicts;
    this.tiles = verdicts.map((_, i) => urcPatterns[i] && urcPatternTile(urcPatterns[i]));
  }

  fill(context, verdict, path, patterned = true) {
    context.fillStyle = this.verdicts[verdict].colour;
    context.fill(path);
    if (!patterned || !this.tiles[verdict]) return;
    context.fillStyle = context.createPattern(this.tiles[verdict], "repeat");
    context.fill(path);
  }

  swatch(verdict) {
    const ratio = 2;
    const canvas = document.createElement("canvas");
    canvas.className = "urc-swatch";
    canvas.width = 22 * ratio;
    canvas.height = 16 * ratio;
    canvas.setAttribute("aria-hidden", "true");
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    const path = new Path2D();
    path.rect(0, 0, 22, 16);
    this.fill(context, verdict, path);
    return canvas;
  }
}

const urcContextLooks = {
  green_spaces: { below: true, fill: "#cfe3c4", edge: "#a9c99a" },
  blue_lines: { below: true, fill: "#bcd9ee", edge: "#8fbbdc" },
  districts: { edge: "#3a4a66", width: 2, dash: [8, 4, 2, 4] },
  rail_stations: { fill: "#1b3a6b", edge: "#ffffff", width: 1.5, reach: 5 },
};

const urcNewPaths = () => ({
  tiny: new Path2D(), small: new Path2D(), large: new Path2D(), lines: new Path2D(), dots: new Path2D(),
}); // prettier-ignore
