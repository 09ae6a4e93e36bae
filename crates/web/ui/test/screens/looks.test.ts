// Every scene in both languages and themes at three widths. `SCREENS=quick` looks at each scene in one language and theme
// at two widths and takes no pictures; `SCREENS_ONLY=talking,held` looks at some.

import { expect, test } from 'vitest';
import { SCENES } from './scenes.ts';
import type { Scene } from './scenes.ts';
import { Tab, WIDTHS, openStage, person } from './stage.ts';
import type { Lang, Theme } from './stage.ts';

const QUICK = process.env['SCREENS'] === 'quick';
const ONLY = process.env['SCREENS_ONLY']?.split(',');
const LANGS: Lang[] = ['ru', 'en'];
const THEMES: Theme[] = ['light', 'dark'];

const stage = openStage();

/** The looks of a scene: all of them, or by its place one language and one theme. */
function looks(nth: number): { lang: Lang; theme: Theme }[] {
  const all = LANGS.flatMap((lang) => THEMES.map((theme) => ({ lang, theme })));
  return QUICK ? all.filter((_, index) => index === nth % all.length) : all;
}

async function play(scene: Scene, lang: Lang, theme: Theme, width: number): Promise<Tab> {
  const office = stage.server.reset();
  const tab = await Tab.open(await person(stage.browser, lang), stage.server);
  if (scene.fleeting) await tab.look(width, theme);
  await scene.play(tab, office);
  return tab;
}

const chosen = SCENES.map((scene, nth) => ({ scene, nth })).filter(({ scene }) => ONLY === undefined || ONLY.includes(scene.name));

test.each(chosen.map(({ scene, nth }) => [scene.name, scene, nth] as const))('%s', { timeout: 120_000 }, async (_, scene, nth) => {
  const faults: string[] = [];
  for (const lang of LANGS) {
    let tab: Tab | null = null;
    const over = async (): Promise<void> => {
      faults.push(...(tab?.problems ?? []));
      await tab?.page.context().close();
      tab = null;
    };
    for (const { theme } of looks(nth).filter((look) => look.lang === lang)) {
      for (const width of QUICK ? [360, nth % 2 === 0 ? 900 : 1600] : WIDTHS) {
        if (scene.fleeting) await over();
        tab ??= await play(scene, lang, theme, width);
        await tab.look(width, theme);
        if (!QUICK) await tab.picture(`${scene.name}-${lang}-${theme}-${String(width)}`);
        const found = await tab.layout();
        // What axe sees hardly depends on the width; the quick look asks it once.
        if (!QUICK || (width === 360) === (nth % 3 === 0)) found.push(...(await tab.accessibility()));
        faults.push(...found.map((fault) => `${lang} ${theme} ${String(width)}: ${fault}`));
      }
    }
    await over();
  }
  expect(faults.join('\n')).toBe('');
});
