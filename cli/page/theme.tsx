/** Light or dark: as the system has it until the reader chooses. */
import type { VNode } from 'preact';
import { useLayoutEffect, useState } from 'preact/hooks';

const THEMES = ['system', 'light', 'dark'] as const;

type Theme = (typeof THEMES)[number];

const KEY = 'yolonnx-report-theme';

/** A browser may keep nothing for files. */
function stored(): Theme {
  try {
    const value = localStorage.getItem(KEY);
    return THEMES.find((theme) => theme === value) ?? 'system';
  } catch {
    return 'system';
  }
}

function store(theme: Theme): void {
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // It then is chosen for this visit alone.
  }
}

export function ThemeChoice(): VNode {
  const [theme, setTheme] = useState(stored);
  useLayoutEffect(() => {
    if (theme === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
  }, [theme]);
  const choose = (value: string): void => {
    const next = THEMES.find((name) => name === value) ?? 'system';
    store(next);
    setTheme(next);
  };
  return (
    <label class="theme">
      <span>Theme</span>
      <select value={theme} onChange={({ currentTarget }) => choose(currentTarget.value)}>
        {THEMES.map((name) => <option key={name} value={name}>{name[0]!.toUpperCase() + name.slice(1)}</option>)}
      </select>
    </label>
  );
}
