// Small drawings of one stroke; each stands beside a word or in a button that has a name.

const PATHS: Record<string, string> = {
  image: "M3 5h14v10H3zM3 13l4-4 3.5 3.500L13 10l4 4M12.5 8h.01",
  audio: "M3 9v2M6.5 6v8M10 3.500v13M13.5 6v8M17 9v2",
  sat: "M3 3h14v14H3zM3 9l6-2 8 3M9 3v14M9 13l8-2",
  loc: "M10 17s5-4.6 5-8.500a5 5 0 0 0-10 0C5 12.4 10 17 10 17zM10 10.200a1.7 1.7 0 1 0 0-3.4 1.7 1.7 0 0 0 0 3.400z",
  env: "M8 11.500V4.500a2 2 0 1 1 4 0v7a3.5 3.5 0 1 1-4 0zM10 8v6",
  text: "M4 5V3.500h12V5M10 3.500v13M7.5 16.500h5",
  drop: "M10 13V3.500M6.5 7 10 3.5 13.5 7M3.5 12.500v4h13v-4",
  play: "M6.5 4v12l9-6z",
  pause: "M7 4.500v11M13 4.500v11",
  check: "M4 10.5 8.2 15 16 5.5",
  cross: "M5 5l10 10M15 5 5 15",
  like: "M8.5 14a5.5 5.5 0 1 0 0-11 5.5 5.5 0 0 0 0 11zM12.5 12.5 17 17",
  pick: "M10 2.500v4M10 13.500v4M2.5 10h4M13.5 10h4M10 10h.01",
  box: "M4 5h12v10H4z",
  circle: "M10 16.500a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13z",
  move: "M10 2.500v15M2.5 10h15M8 4.500l2-2 2 2M8 15.500l2 2 2-2M4.5 8l-2 2 2 2M15.5 8l2 2-2 2",
  plus: "M10 4v12M4 10h12",
  minus: "M4 10h12",
  fit: "M3.5 7V3.500H7M13 3.500h3.500V7M16.5 13v3.500H13M7 16.500H3.500V13",
  save: "M10 3v9.500M6.5 9.5 10 13l3.5-3.500M3.5 13.500v3h13v-3",
  link: "M8.5 11.5 11.5 8.500M9.5 6l2-2a3.18 3.18 0 0 1 4.5 4.500l-2 2M10.5 14l-2 2A3.18 3.18 0 0 1 4 11.500l2-2",
  light: "M10 3.500a6.5 6.5 0 1 0 0 13zM10 3.500a6.5 6.5 0 0 1 0 13",
  layers: "M10 3l7 4-7 4-7-4zM3.5 10.5 10 14l6.5-3.500M3.5 13.5 10 17l6.5-3.5",
  mic: "M10 12.500a2.5 2.5 0 0 0 2.5-2.500V5a2.5 2.5 0 0 0-5 0v5a2.5 2.5 0 0 0 2.5 2.500zM5 9.500a5 5 0 0 0 10 0M10 14.500v3",
  left: "M12.5 4 6.5 10l6 6",
  right: "M7.5 4l6 6-6 6",
  down: "M5 7.500l5 5 5-5",
};

export function Icon({ name, size = 16 }: { name: string; size?: number }) {
  return (
    <svg class="icon" width={size} height={size} viewBox="0 0 20 20" aria-hidden="true" focusable="false">
      <path d={PATHS[name] ?? "M10 10h.01"} />
    </svg>
  );
}
