// One zone for all files: drop, paste or choose; a recording where the browser may record.

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { Icon } from "../icons.tsx";
import { placeOf } from "../link.ts";
import { addPart } from "../searching.ts";
import { index, tell } from "../state.ts";
import { number, t } from "../words.ts";
import { Mixed } from "./mixed.tsx";
import { dismiss, sendFiles, sending } from "./uploads.ts";

const ACCEPTS = "image/*,audio/*,.tif,.tiff,.heic,.heif,.dng,.flac,.wav,.npy";

/** Whether something is being typed, so that a paste is for that field. */
const typing = (target: EventTarget | null) => target instanceof Element && target.closest("input, textarea, select") !== null;

export function DropZone() {
  const over = useSignal(false);
  const chooser = useRef<HTMLInputElement>(null);
  const accepts = new Set((index.value?.modalities ?? []).map((m) => m.name));
  useEffect(() => {
    const drag = (e: DragEvent) => {
      if (!e.dataTransfer?.types.includes("Files")) return;
      e.preventDefault();
      over.value = e.type === "dragover";
      if (e.type === "drop") void sendFiles([...e.dataTransfer.files]);
    };
    const left = (e: DragEvent) => !e.relatedTarget && (over.value = false);
    const paste = (e: ClipboardEvent) => {
      const files = [...(e.clipboardData?.files ?? [])];
      if (files.length) {
        e.preventDefault();
        void sendFiles(files);
        return;
      }
      const at = typing(e.target) ? null : placeOf(e.clipboardData?.getData("text/plain") ?? "");
      if (at) addPart({ kind: "place", at });
    };
    window.addEventListener("dragover", drag);
    window.addEventListener("drop", drag);
    window.addEventListener("dragleave", left);
    document.addEventListener("paste", paste);
    return () => {
      window.removeEventListener("dragover", drag);
      window.removeEventListener("drop", drag);
      window.removeEventListener("dragleave", left);
      document.removeEventListener("paste", paste);
    };
  }, []);
  const most = index.value?.limits?.upload;
  return (
    <div class={over.value ? "drop over" : "drop"}>
      <button type="button" class="choose" onClick={() => chooser.current?.click()}>
        <Icon name="drop" size={18} />
        <span>
          <b>{t("drop.title")}</b>
          <small>{t("drop.kinds")}{most ? ` · ${t("drop.most", { mb: number(most / 2 ** 20) })}` : ""}</small>
        </span>
      </button>
      {accepts.has("audio") && <Recorder />}
      <input
        ref={chooser}
        class="hidden"
        type="file"
        multiple
        accept={ACCEPTS}
        tabIndex={-1}
        aria-label={t("drop.title")}
        onChange={(e) => {
          void sendFiles([...(e.currentTarget.files ?? [])]);
          e.currentTarget.value = "";
        }}
      />
      {sending.value.map((s) =>
        s.refusal ? (
          <p key={s.name} class="refused" role="alert">
            <span><Mixed text={s.refusal} /></span>
            <button type="button" class="quiet" onClick={() => dismiss(s)}><Icon name="cross" size={14} /><span class="hidden">{t("close")}</span></button>
          </p>
        ) : (
          <p key={s.name} class="progress">
            <span>{t("upload.going", { name: s.name })}</span>
            <progress max={1} value={s.share} aria-label={t("upload.going", { name: s.name })} />
          </p>
        ),
      )}
    </div>
  );
}

/** Records up to ten seconds; on a page that browsers do not let record, the button says why. */
function Recorder() {
  const recorder = useSignal<MediaRecorder | null>(null);
  const allowed = window.isSecureContext && !!navigator.mediaDevices && "MediaRecorder" in window;
  async function start() {
    try {
      const stream = await navigator.mediaDevices.getUserMedia({
        audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
      });
      const made = new MediaRecorder(stream);
      const pieces: Blob[] = [];
      made.ondataavailable = (e) => pieces.push(e.data);
      made.onstop = () => {
        for (const track of stream.getTracks()) track.stop();
        recorder.value = null;
        const type = made.mimeType.split(";")[0] || "audio/webm";
        const name = `${t("record.name")}.${type.endsWith("mp4") ? "m4a" : type.endsWith("ogg") ? "ogg" : "webm"}`;
        void sendFiles([new File(pieces, name, { type })]);
      };
      made.start();
      recorder.value = made;
      setTimeout(() => made.state === "recording" && made.stop(), 10_000);
    } catch {
      tell(t("record.denied"));
    }
  }
  const running = recorder.value !== null;
  return (
    <button
      type="button"
      class={running ? "record on" : "record"}
      aria-pressed={running}
      aria-disabled={!allowed}
      title={allowed ? t("record.hint") : t("record.insecure")}
      onClick={() => (allowed ? (running ? recorder.value?.stop() : void start()) : tell(t("record.insecure")))}
    >
      <Icon name="mic" />
      <span>{running ? t("record.stop") : t("record.start")}</span>
    </button>
  );
}
