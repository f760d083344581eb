// Writes the names of all locales of faker-js: `npm install @faker-js/faker@10.6.0`, `node faker_names.mjs > names.json`.
import { allLocales } from "@faker-js/faker";

const flat = (held) => (!held ? [] : Array.isArray(held) ? held : Object.values(held).flatMap(flat));
const found = {};
for (const [name, locale] of Object.entries(allLocales)) {
  const [first, last] = [locale.person?.first_name, locale.person?.last_name].map(flat);
  if (first.length && last.length) found[name] = { first: [...new Set(first)].sort(), last: [...new Set(last)].sort() };
}
console.log(JSON.stringify(found));
