// Calls of the API. What it refuses arrives as a `Refusal`, in the server's own words.

import type { Problem, Upload } from "./types.ts";

export const BASE = "/api/v1";

export class Refusal extends Error {
  constructor(readonly problem: Problem, readonly retryAfter: number | null = null) {
    super(problem.detail || problem.title || `HTTP ${problem.status}`);
  }
}

async function refusal(answer: Response): Promise<Refusal> {
  let problem: Problem = { status: answer.status, title: answer.statusText };
  try {
    problem = { ...problem, ...((await answer.json()) as Problem) };
  } catch {
    // no JSON: the status is all that is known
  }
  const wait = Number(answer.headers.get("Retry-After"));
  return new Refusal(problem, Number.isFinite(wait) && wait > 0 ? wait : null);
}

async function call(path: string, init: RequestInit): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(path.startsWith("/") ? path : `${BASE}/${path}`, { credentials: "same-origin", ...init });
  } catch (error) {
    if ((error as Error).name === "AbortError") throw error;
    throw new Refusal({ status: 0, type: "/problems/unreachable" });
  }
  if (!answer.ok) throw await refusal(answer);
  return answer;
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await (await call(path, { signal })).json()) as T;
}

export async function send<T>(method: "POST" | "DELETE", path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const headers = { "Content-Type": "application/json" };
  const answer = await call(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), signal });
  const text = await answer.text();
  return (text ? JSON.parse(text) : null) as T;
}

/** Sends a file as it is; `progress` hears shares from 0 to 1. */
export function upload(file: Blob, type: string, progress: (share: number) => void): Promise<Upload> {
  return new Promise((resolve, reject) => {
    const asked = new XMLHttpRequest();
    asked.open("PUT", `${BASE}/uploads`);
    asked.setRequestHeader("Content-Type", type || "application/octet-stream");
    asked.upload.onprogress = (e) => e.lengthComputable && progress(e.loaded / e.total);
    asked.onerror = () => reject(new Refusal({ status: 0, type: "/problems/unreachable" }));
    asked.onload = () => {
      let said: unknown = null;
      try {
        said = JSON.parse(asked.responseText);
      } catch {
        // no JSON
      }
      if (asked.status >= 200 && asked.status < 300 && said) resolve(said as Upload);
      else reject(new Refusal({ status: asked.status, title: asked.statusText, ...(said as object | null) }));
    };
    asked.send(file);
  });
}

/** An address with a query of what is given. */
export function address(path: string, values: Record<string, string | number | boolean | null | undefined>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) if (value !== null && value !== undefined && value !== "") query.set(name, String(value));
  const text = query.toString();
  return text ? `${path}${path.includes("?") ? "&" : "?"}${text}` : path;
}
