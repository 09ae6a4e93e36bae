import { expect, test } from 'vitest';
import { regionOf } from '../../src/lib/region.ts';

test('a number of a Russian region names the region, a mobile one only the country', () => {
  expect(regionOf('+78312123456', 'ru')).toBe('Нижегородская область');
  expect(regionOf('+78312123456', 'en')).toBe('Nizhny Novgorod Oblast');
  expect(regionOf('+74991234567', 'ru')).toBe('Москва и область');
  expect(regionOf('+79161234567', 'ru')).toBe('Россия');
});

test('a number from abroad names its country, an extension nothing', () => {
  expect(regionOf('+442071838750', 'ru')).toBe('Великобритания');
  expect(regionOf('+77272123456', 'en')).toBe('Kazakhstan');
  expect(regionOf('105', 'ru')).toBeNull();
  expect(regionOf('+999999', 'ru')).toBeNull();
});
