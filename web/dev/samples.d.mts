export const SAMPLE: string;
export const TITLES: [title: string, daysAgo: number][];
