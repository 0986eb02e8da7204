// The map where a browser has no WebGL 2: a picture that the server draws, which is clicked, zoomed and moved by buttons.

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { address } from "../api.ts";
import { isDark, repainted } from "../map/colours.ts";
import { density, mapHits } from "../map/layers.ts";
import { around, kilometres, tidy } from "../map/shapes.ts";
import { answer, asked, tool, view } from "../state.ts";
import type { Box, Place } from "../types.ts";
import { t } from "../words.ts";
import { askedPlaces, drawn, goToCard } from "./map.tsx";

const WIDTH = 440; // about as wide as it is shown, so that its letters can be read
const HEIGHT = 220;
const WORLD: Box = [-180, -90, 180, 90];

/** A box of the picture's own shape around what is to be seen; it may reach over the date line. */
function shaped(to: Box | null): Box {
  if (!to) return WORLD;
  const [x, y] = [(to[0] + to[2]) / 2, (to[1] + to[3]) / 2];
  const tall = Math.min(180, Math.max(0.5, (to[3] - to[1]) * 1.3, ((to[2] - to[0]) * 1.3 * HEIGHT) / WIDTH));
  const wide = (tall * WIDTH) / HEIGHT;
  const south = Math.max(-90, Math.min(90 - tall, y - tall / 2));
  const west = wide < 360 ? x - wide / 2 : -180;
  return [west, south, west + wide, south + tall];
}

export function FlatMap() {
  const seen = useSignal<Box>(WORLD);
  const from = useRef<Place | null>(null);
  const picture = useRef<HTMLImageElement>(null);
  useEffect(() => {
    const some = answer.value ? [...mapHits.value.features, ...askedPlaces().features] : density.value.features;
    seen.value = shaped(around(some));
  }, [mapHits.value, density.value, answer.value?.id]);
  useEffect(() => void (view.value = tidy(seen.value)), [seen.value]);
  function at(e: MouseEvent): Place {
    const rect = (picture.current as HTMLImageElement).getBoundingClientRect();
    const [west, south, east, north] = seen.value;
    return [north - ((e.clientY - rect.top) / rect.height) * (north - south), west + ((e.clientX - rect.left) / rect.width) * (east - west)];
  }
  function nearest(place: Place): void {
    const reach = (seen.value[3] - seen.value[1]) * 111 * 0.04; // as far as a finger is wide
    const points = mapHits.value.features.flatMap((f) =>
      f.geometry.type === "Point" ? [{ row: Number(f.properties?.row), km: kilometres(place, [f.geometry.coordinates[1] as number, f.geometry.coordinates[0] as number]) }] : [],
    );
    const found = points.sort((a, b) => a.km - b.km)[0];
    if (found && found.km < reach) goToCard(found.row);
  }
  function zoom(by: number): void {
    const [west, south, east, north] = seen.value;
    const [x, y, tall] = [(west + east) / 2, (south + north) / 2, (north - south) / by / 1.3];
    seen.value = shaped([x - tall, y - tall / 2, x + tall, y + tall / 2]);
  }
  function go(dx: number, dy: number): void {
    const [west, south, east, north] = seen.value;
    const [w, h] = [(east - west) * 0.4 * dx, (north - south) * 0.4 * dy];
    const moved: Box = [west + w, south + h, east + w, north + h];
    const across = dx !== 0 && east - west < 360;
    if (across || (dy !== 0 && moved[1] >= -90.01 && moved[3] <= 90.01)) seen.value = moved;
  }
  repainted.value; // the picture follows the palette
  const url = address("/map.svg", {
    search: answer.value?.id, bbox: tidy(seen.value).join(","), width: WIDTH, height: HEIGHT, palette: isDark() ? "dark" : "light",
  });
  return (
    <div class="sheet flat">
      <img
        ref={picture}
        class={tool.value === "move" ? "" : "drawing"}
        src={url}
        width={WIDTH}
        height={HEIGHT}
        alt={t("map.picture", { n: mapHits.value.features.length })}
        draggable={false}
        onPointerDown={(e) => (from.current = at(e))}
        onPointerUp={(e) => {
          const to = at(e);
          if (tool.value === "move") nearest(to);
          else if (from.current) drawn(tool.value, from.current, to);
          from.current = null;
        }}
      />
      <div class="row">
        <button type="button" class="small" onClick={() => zoom(2)}>{t("map.in")}</button>
        <button type="button" class="small" onClick={() => zoom(0.5)}>{t("map.out")}</button>
        {([["west", -1, 0], ["east", 1, 0], ["north", 0, 1], ["south", 0, -1]] as const).map(([side, dx, dy]) => (
          <button key={side} type="button" class="small" onClick={() => go(dx, dy)}>{t(`map.${side}`)}</button>
        ))}
        <span class="soft small">{t("map.flat", { n: asked.value.parts.length })}</span>
      </div>
    </div>
  );
}
