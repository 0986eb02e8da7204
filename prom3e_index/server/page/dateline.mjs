// Rings of a globe made rings of a sheet. world-atlas joins what Natural Earth cuts at the date line, as a globe needs
// it; drawn on a sheet, the joined edges run across all of it.

/** The ring with longitudes that run on over the date line; around a pole it is closed along the edge of the sheet. */
function unrolled(ring) {
  let turned = 0;
  const points = ring.map((p, i) => {
    const step = i ? p[0] - ring[i - 1][0] : 0;
    turned += step > 180 ? -360 : step < -180 ? 360 : 0;
    return [p[0] + turned, p[1]];
  });
  if (!turned) return points;
  const pole = ring[0][1] < 0 ? -90 : 90;
  return [...points, [points.at(-1)[0], pole], [points[0][0], pole], points[0]];
}

/** What of a ring lies on one side of a meridian; closed along it. */
function side(ring, at, sign) {
  const within = (p) => sign * (p[0] - at) >= 0;
  const kept = [];
  for (let i = 1; i < ring.length; i++) {
    const [a, b] = [ring[i - 1], ring[i]];
    if (within(a) !== within(b)) kept.push([at, a[1] + ((b[1] - a[1]) * (at - a[0])) / (b[0] - a[0])]);
    if (within(b)) kept.push(b);
  }
  return kept.length ? [...kept, kept[0]] : kept;
}

const flat = (ring) => ring.every((p) => p[0] === ring[0][0]);

/** The polygons of a sheet from -180 to 180 that a polygon of a globe makes; its first ring is its outline. */
export function cut(polygon) {
  const rings = polygon.map(unrolled);
  return [-360, 0, 360].flatMap((shift) => {
    const parts = rings
      .map((r) => side(side(r, -180 + shift, 1), 180 + shift, -1).map((p) => [p[0] - shift, p[1]]))
      .map((r, i) => (r.length > 3 && !flat(r) ? r : i ? null : []));
    return parts[0].length ? [parts.filter(Boolean)] : [];
  });
}
