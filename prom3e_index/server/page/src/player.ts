// One sound at a time for the whole page, and where it stands.

import { signal } from "@preact/signals";
import { address } from "./api.ts";
import { kept, keep } from "./kept.ts";
import { tell } from "./state.ts";
import { t } from "./words.ts";

/** Which sound is loaded; a card and the lightbox that show the same one share its key. */
export const playing = signal<string | null>(null);
export const running = signal(false);
/** Seconds of the file, whatever the speed at which it is heard. */
export const position = signal(0);

/** Speeds: pitch is kept by the browser at 1 to 0.25; `0.1` is time expansion by the server, which lowers the pitch. */
export const SPEEDS = [1, 0.5, 0.25, 0.1];
export const EXPANDED = 0.1;
export const speed = signal(SPEEDS.includes(Number(kept("speed"))) ? Number(kept("speed")) : 1);

const audio = new Audio();
audio.preload = "none";
let source = "";
let stopAt: number | null = null;
let frame = 0;

const expansion = () => (speed.value === EXPANDED ? EXPANDED : 1);

function follow(): void {
  position.value = audio.currentTime * expansion();
  if (stopAt !== null && position.value >= stopAt) {
    audio.pause();
    stopAt = null;
  }
  if (!audio.paused) frame = requestAnimationFrame(follow);
}

audio.addEventListener("play", () => {
  running.value = true;
  cancelAnimationFrame(frame);
  follow();
});
audio.addEventListener("pause", () => (running.value = false));
audio.addEventListener("ended", () => (running.value = false));
audio.addEventListener("seeked", () => (position.value = audio.currentTime * expansion()));
audio.addEventListener("error", () => {
  if (!playing.value) return;
  running.value = false;
  tell(t("sound.fails"));
});

function load(at: number): void {
  audio.src = expansion() === 1 ? source : address(source, { speed: EXPANDED });
  audio.preservesPitch = true;
  audio.playbackRate = expansion() === 1 ? speed.value : 1;
  audio.defaultPlaybackRate = audio.playbackRate;
  if (at > 0) audio.currentTime = at / expansion();
}

/** Plays a sound from a second on, to another where one is given; what played before stops. */
export function play(key: string, url: string, from: number | null = null, to: number | null = null): void {
  if (playing.value !== key) {
    audio.pause();
    source = url;
    playing.value = key;
    position.value = from ?? 0;
    load(from ?? 0);
  } else if (from !== null) seek(from);
  stopAt = to;
  audio.play().catch((error: Error) => error.name !== "AbortError" && error.name !== "NotSupportedError" && tell(t("sound.fails")));
}

export function toggle(key: string, url: string, from: number | null = null, to: number | null = null): void {
  if (playing.value === key && running.value) audio.pause();
  else if (playing.value === key && (to === null || position.value < to - 0.05)) play(key, url, null, to);
  else play(key, url, from ?? 0, to);
}

export function seek(seconds: number): void {
  const at = Math.max(0, seconds);
  audio.currentTime = at / expansion();
  position.value = at;
}

export function stop(): void {
  audio.pause();
}

export function setSpeed(next: number): void {
  const [at, was] = [position.value, running.value];
  const before = expansion();
  speed.value = next;
  keep("speed", next === 1 ? null : String(next));
  if (!playing.value) return;
  if (expansion() === before) {
    audio.playbackRate = expansion() === 1 ? next : 1;
    return;
  }
  load(at);
  position.value = at;
  if (was) void audio.play().catch(() => tell(t("sound.fails")));
}
