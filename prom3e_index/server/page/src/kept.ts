// Small choices that a browser keeps: the language, the palette, whether single keys do something.

export function kept(name: string): string | null {
  try {
    return localStorage.getItem(`p3i-${name}`);
  } catch {
    return null; // storage is switched off
  }
}

export function keep(name: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(`p3i-${name}`);
    else localStorage.setItem(`p3i-${name}`, value);
  } catch {
    // storage is switched off: the choice lasts as long as the page
  }
}
