/** How much room a tile gets: from ten athletes on a tablet to two hundred on a wall. Kept on this device. */

export const DENSITY_STEPS = ['roomy', 'compact', 'dense'] as const;
export type DensityStep = (typeof DENSITY_STEPS)[number];

const KEY = 'spotter.density';

export function densityKept(): DensityStep {
  const kept = localStorage.getItem(KEY);
  return DENSITY_STEPS.find((step) => step === kept) ?? 'roomy';
}

export function keepDensity(step: DensityStep): void {
  localStorage.setItem(KEY, step);
}
