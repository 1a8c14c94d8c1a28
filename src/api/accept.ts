/** Whether an `Accept` field (RFC 9110 section 12.5.1) takes one of `available`; parameters but `q` are ignored. */
export function accepts(field: string | undefined, available: readonly string[]): boolean {
  if (field === undefined || field.trim() === "") return true;
  const ranges = field.split(",").map(readRange);
  return available.some((type) => qualityOf(type, ranges) > 0);
}

type Range = { readonly range: string; readonly quality: number };

function readRange(text: string): Range {
  const [range = "", ...parameters] = text.split(";").map((part) => part.trim().toLowerCase());
  const q = parameters.find((parameter) => parameter.startsWith("q="));
  const quality = q === undefined ? 1 : Number(q.slice(2));
  return { range, quality: Number.isNaN(quality) ? 0 : quality };
}

/** The most specific range that fits decides, so that `text/html;q=0, *\/*` refuses text/html. */
function qualityOf(type: string, ranges: readonly Range[]): number {
  const [main] = type.split("/");
  for (const wanted of [type, `${main}/*`, "*/*"]) {
    const fit = ranges.filter(({ range }) => range === wanted);
    if (fit.length > 0) return Math.max(...fit.map(({ quality }) => quality));
  }
  return 0;
}
