// Writes each dashboard as a TypeScript value of Grafana's types and lets the compiler judge it; then spoils one in several
// ways and expects each to be found, so that a check that finds nothing is worth something.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

const [folder, ...files] = process.argv.slice(2);
const source = join(folder, 'source');
// Panels and their options by the name of the plugin; the path is that of the package's types.
const plugins = { stat: 'stat/panelcfg/x/StatPanelCfg', table: 'table/panelcfg/x/TablePanelCfg', timeseries: 'timeseries/panelcfg/x/TimeSeriesPanelCfg' };

const types = `
import type { Dashboard, DataQuery, Panel, RowPanel } from '@grafana/schema';
${Object.keys(plugins).map((name) => `import type * as ${name} from '@grafana/schema/dist/esm/raw/composable/${plugins[name]}_types.gen';`).join('\n')}
// JSON holds the values of enums, not their names.
export type Json<T> = 0 extends 1 & T ? T
  : T extends string ? \`\${T}\`
  : T extends number ? (\`\${T}\` extends \`\${infer N extends number}\` ? N : T)
  : T extends ReadonlyArray<infer E> ? Json<E>[]
  : T extends object ? { [K in keyof T]: Json<T[K]> } : T;
// The fields of a Prometheus query (Grafana's plugin keeps its types to itself).
type Query = Pick<DataQuery, 'refId' | 'hide'> & { expr: string; legendFormat?: string; format?: 'table' | 'time_series' | 'heatmap'; instant?: boolean; range?: boolean };
type Of<Type extends string, Options, Custom> = Json<Omit<Panel<Record<string, unknown>, Custom & Record<string, unknown>>, 'type' | 'options' | 'targets' | 'fieldConfig'>>
  & { type: Type; title: string; description: string; options: Json<Partial<Options>>; targets: Query[]; fieldConfig: Config<Custom> };
type Config<Custom> = Json<Omit<NonNullable<Panel['fieldConfig']>, 'defaults'>>
  & { defaults: Json<Omit<NonNullable<Panel['fieldConfig']>['defaults'], 'custom'>> & { custom?: Json<Partial<Custom>> } };
type AnyPanel = Of<'stat', stat.Options, {}> | Of<'table', table.Options, table.FieldConfig> | Of<'timeseries', timeseries.Options, timeseries.FieldConfig>;
export type Checked = Json<Omit<Dashboard, 'panels'>> & { uid: string; panels: (AnyPanel | (Json<Omit<RowPanel, 'panels'>> & { panels: [] }))[] };
`;

const options = { strict: true, noEmit: true, module: 'esnext', moduleResolution: 'bundler', target: 'es2022', skipLibCheck: true, types: [] };

// The compiler's findings by file.
function findings(values) {
  rmSync(source, { recursive: true, force: true });
  mkdirSync(source, { recursive: true });
  writeFileSync(join(source, 'types.ts'), types);
  for (const [name, value] of Object.entries(values)) {
    writeFileSync(join(source, `${name}.ts`), `import type { Checked } from './types';\nexport const dashboard: Checked = ${JSON.stringify(value, null, 2)};\n`);
  }
  writeFileSync(join(source, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, include: ['*.ts'] }));
  let text = '';
  try {
    execFileSync(process.execPath, [join(folder, 'node_modules/typescript/bin/tsc'), '--project', source, '--pretty', 'false'], { encoding: 'utf8', cwd: source });
  } catch (error) {
    text = `${error.stdout}${error.stderr}`;
  }
  return { text, found: new Set([...text.matchAll(/^([\w-]+)\.ts\(/gm)].map((match) => match[1])) };
}

const dashboards = Object.fromEntries(files.map((file) => [basename(file, '.json'), JSON.parse(readFileSync(file, 'utf8'))]));
const { text } = findings(dashboards);
if (text) {
  console.error(text);
  process.exit(1);
}

const panel = (dashboard, type) => dashboard.panels.find((panel) => panel.type === type);
const spoilt = {
  kind: (dashboard) => { panel(dashboard, 'stat').type = 'stats'; },
  option: (dashboard) => { panel(dashboard, 'timeseries').options.legends = {}; },
  word: (dashboard) => { panel(dashboard, 'timeseries').options.tooltip.mode = 'several'; },
  custom: (dashboard) => { panel(dashboard, 'timeseries').fieldConfig.defaults.custom.lineWidht = 2; },
  number: (dashboard) => { dashboard.templating.list[1].refresh = 7; },
  variable: (dashboard) => { dashboard.templating.list[1].includeal = true; },
  query: (dashboard) => { delete panel(dashboard, 'stat').targets[0].expr; },
  place: (dashboard) => { panel(dashboard, 'stat').gridPos.w = '4'; },
  top: (dashboard) => { dashboard.refreshes = '30s'; },
};
const values = Object.fromEntries(Object.entries(spoilt).map(([name, spoil]) => {
  const copy = structuredClone(Object.values(dashboards)[0]);
  spoil(copy);
  return [name, copy];
}));
const { found } = findings(values);
const missed = Object.keys(spoilt).filter((name) => !found.has(name));
if (missed.length) {
  console.error(`the check would not find: ${missed.join(', ')}`);
  process.exit(1);
}
console.log(`${files.length} dashboards are what Grafana's schema says; ${found.size} spoilt ones are not`);
