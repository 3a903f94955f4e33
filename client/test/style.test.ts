// The style sheets: colours that can be read, and names that are ours.

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const css = readFileSync(
  new URL('../src/react/style.css', import.meta.url), 'utf8');

const inks = [
  'fg', 'muted', 'excellent', 'good', 'fair', 'poor', 'offline',
  'online', 'away', 'busy',
];

/** The variables of each block that sets the background. */
const themes = [...css.matchAll(/\{([^{}]*--conductor-bg:[^{}]*)\}/g)]
  .map(([, block]) => new Map([...(block ?? '')
    .matchAll(/--conductor-([\w-]+):\s*(#[0-9a-f]{6});/g)]
    .map(([, name, value]) => [name, value] as const)));

function luminance(colour: string): number {
  const [r, g, b] = [1, 3, 5].map((i) => {
    const part = parseInt(colour.slice(i, i + 2), 16) / 255;

    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];

  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(one: string, other: string): number {
  const [dark, light] = [luminance(one), luminance(other)].sort() as
    [number, number];

  return (light + 0.05) / (dark + 0.05);
}

const parts = readFileSync(
  new URL('../dashboard/style/parts.css', import.meta.url), 'utf8');

describe('the style sheet', () => {
  it('has a light theme, a dark one, and that again by choice', () => {
    expect(themes).toHaveLength(3);
    expect(themes[1]).toEqual(themes[2]);
    expect(themes[0]?.get('bg')).not.toBe(themes[1]?.get('bg'));
  });

  it.each(['bg', 'soft'].flatMap((paper) =>
    inks.flatMap((ink) => [0, 1].map((n) => [ink, paper, n] as const))))(
    'lets %s be read on %s in theme %d', (ink, paper, n) => {
      const theme = themes[n];

      expect(contrast(theme?.get(ink) ?? '', theme?.get(paper) ?? ''))
        .toBeGreaterThanOrEqual(4.5);
    });

  it('styles nothing but its own', () => {
    const selectors = css.replace(/\/\*[^]*?\*\//g, '')
      .replace(/@media[^{]*\{/g, '')
      .match(/[^{};]+(?=\{)/g)?.flatMap((list) => list.split(',')) ?? [];

    expect(selectors.length).toBeGreaterThan(40);

    for (const selector of selectors.map((s) => s.trim())) {
      expect(selector).toMatch(/^\.conductor|^:where\(/);
    }
  });
});

it('what the dashboard says aloud is there before it is said', () => {
  const empty = /output:empty \{([^}]*)\}/.exec(parts)?.[1];

  expect(empty?.trim()).toBe('position: absolute;');
});
