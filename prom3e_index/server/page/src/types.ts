// What the API says, as far as the page reads it. Whatever may be missing is optional.

export type Modality = "image" | "audio" | "sat" | "loc" | "env" | "text" | string;
export type Place = [number, number]; // latitude, longitude
export type Box = [number, number, number, number]; // west, south, east, north

export type Values = Record<string, string | number | string[]>;

/** A sentence of the server by a code and what stands in it. */
export interface Sentence {
  text: string;
  code: string;
  values: Values;
}

export interface Index {
  name: string;
  rows: number;
  generation: number;
  model: { name: string; sigma_spearman?: number | null };
  modalities: { name: Modality; word?: string; rows: number; accepts?: string[] }[];
  targets: Modality[];
  bbox?: Box | null;
  dates?: [string | null, string | null] | null;
  outline?: "earth" | "planet";
  limits?: { k?: number; upload?: number; upload_seconds?: number };
  licences?: { license: string; rows: number }[] | null;
  notes?: string[];
  said?: Sentence[];
  allows?: { marks?: boolean; originals?: boolean; basemap?: boolean; ranges?: boolean };
}

export interface Upload {
  upload: string;
  modality: "image" | "audio" | "sat";
  name?: string;
  seconds?: number | null;
  sample_rate?: number | null;
  expires?: string;
  links?: { spectrogram?: string | null; thumbnail?: string | null; audio?: string | null };
  found?: { place?: { latitude: number; longitude: number } | null; date?: string | null; name?: string | null };
}

export interface Links {
  self?: string | null;
  thumbnail?: string | null;
  image?: string | null;
  sat?: string | null;
  audio?: string | null;
  spectrogram?: string | null;
  similar?: string | null;
}

export interface Hit {
  rank: number;
  row: number;
  id: string | number | null;
  score: number;
  completed: boolean;
  observed: Modality[];
  completed_modalities?: Modality[];
  p_right?: number | null;
  scientific_name?: string | null;
  common_name?: string | null;
  latitude?: number | null;
  longitude?: number | null;
  coordinate_uncertainty_m?: number | null;
  obscured?: boolean;
  generalised?: string | null;
  event_date?: string | null;
  license?: string | null;
  license_code?: string | null;
  license_url?: string | null;
  rights_holder?: string | null;
  span?: { from: number; to: number | null } | null;
  cell?: Box | null;
  fields?: Record<string, unknown>;
  links?: Links;
  unshown?: "unnamed" | "obscured" | "remote" | "outside" | "moved" | "unreadable" | "none" | null;
  [other: string]: unknown;
}

export interface Answer {
  id: string;
  generation: number;
  current?: boolean;
  query: unknown;
  target: Modality;
  uncertainty?: {
    sigma_l1?: number | null;
    percentile?: number | null;
    spearman?: number | null;
  } | null;
  confidence?: {
    p_right?: number | null;
    interval?: [number, number] | null;
    reason?: string | null;
    rows?: number | null;
    right?: number | null;
    rule?: string | null;
    source?: string | null;
    hit?: number | null;
  } | null;
  species_set?: { level: number | null; names: string[] | null; reason?: string | null } | null;
  add_next?: { modality: Modality; failure_change: number; no_help?: string[] } | null;
  sentences?: string[];
  notes?: string[];
  leftOut?: string[];
  said?: Sentence[];
  /** The generation that was asked for, where it was not open and another one answered. */
  insteadOf?: number;
  numberMatched: number;
  numberReturned?: number;
  ranked: number;
  rows?: number;
  path?: string;
  milliseconds?: Record<string, number>;
  hits: Hit[];
  next?: string | null;
}

export interface Facet {
  values: { value: string; count: number }[];
  others: number;
  without: number;
}

export interface Facets {
  window: number;
  facets: Record<string, Facet>;
}

export interface Taxon {
  name: string;
  rank?: string | null;
  common?: string | null;
  rows?: number | null;
  near?: boolean;
}

export interface Problem {
  type?: string;
  title?: string;
  status: number;
  detail?: string;
  parameter?: string | null;
  near?: string[];
  code?: string;
  values?: Values;
}
