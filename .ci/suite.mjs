// One run of the public cache test suite in one mode: node .ci/suite.mjs gateway|forward SUITE [--write]
//
// Starts the suite's origin and the release build on ports of the system's choice, runs every test with
// the suite's own client, judges by the suite's own rules, and compares with tests/suite/expected-MODE.txt and
// with the score that README.md shows.

import { spawn } from 'node:child_process'
import fs from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import readline from 'node:readline'
import { pathToFileURL } from 'node:url'

// Tests whose verdict is chance, by design of the test; they are run and neither compared nor scored.
const UNJUDGED = {
  'heuristic-delta-30': 'a lifetime of exactly 3 s by the usual 10% rule against a pause of 3 s: a coin toss'
}

const VERDICTS = {
  '✅': 'pass', '⛔️': 'fail', '⚠️': 'optional_fail', Y: 'yes', N: 'no', '🔹': 'setup_fail', '⁉️': 'harness_fail',
  '⚪️': 'dependency_fail', '↻': 'retry', '-': 'untested'
}
const NEEDS_REASON = new Set(['fail', 'optional_fail', 'setup_fail', 'harness_fail', 'dependency_fail', 'retry', 'untested'])
const START_MS = 20_000
const REQUEST_MS = 20_000

const [mode, suite, flag] = process.argv.slice(2)
const expectedFile = `tests/suite/expected-${mode}.txt`
const children = []
process.on('exit', () => children.forEach(child => child.kill('SIGKILL')))

/** Starts a program and waits for the first line of its output that `find` makes something of. */
function start (name, command, args, options, find) {
  const log = fs.createWriteStream(path.join(suite, '../..', `${mode}-${name}.log`))
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
  children.push(child)
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`${name}: expected its address within ${START_MS} ms, found none`)), START_MS)
    child.on('error', reject)
    child.on('exit', code => reject(new Error(`${name} ended with ${code}`)))
    for (const stream of [child.stdout, child.stderr]) {
      readline.createInterface({ input: stream }).on('line', line => {
        log.write(`${line}\n`)
        const found = find(line)
        if (found) { clearTimeout(late); resolve(found) }
      })
    }
  })
}

function startOrigin () {
  const env = { ...process.env, npm_config_protocol: 'http', npm_config_port: '0', npm_config_pidfile: `${mode}.pid` }
  return start('origin', process.execPath, ['--no-warnings', 'server/server.mjs'], { cwd: suite, env }, line => line.match(/^Listening on .*:(\d+)\/$/)?.[1])
}

/** The listener is open; what else differs from the defaults is the cache of Set-Cookie, which the suite asks for. */
function configuration (originPort) {
  const shared = '[[policy]]\nname = "default"\nset_cookie = "store"\n'
  const listener = `[[listener]]\nname = "suite"\naddress = "127.0.0.1:0"\nmode = "${mode}"\nauth = "none"\n`
  const ways = {
    gateway: `[[upstream]]\nname = "origin"\nservers = ["http://127.0.0.1:${originPort}"]\n[[route]]\npath = "/*"\nupstream = "origin"\npolicy = "default"\n`,
    forward: `[forward]\nallow_ports = [${originPort}]\nallow_networks = ["127.0.0.1/32"]\n`
  }
  return `${listener}\n${ways[mode]}\n${shared}\n[log]\naccess = "off"\n`
}

function startGateway (originPort) {
  const file = path.resolve(suite, '../..', `${mode}.toml`)
  fs.writeFileSync(file, configuration(originPort))
  return start('gateway', 'target/release/vouchsafe', ['serve', '--config', file], {}, line => {
    return line.includes('"listening"') && line.match(/"address":"127\.0\.0\.1:(\d+)"/)?.[1]
  })
}

/** Sends every request to the proxy, its target in absolute-form (RFC 9112 section 3.2.2). */
class ProxyAgent extends http.Agent {
  constructor (port) { super({ keepAlive: false }); this.proxyPort = port }

  addRequest (request, options) {
    request.path = `http://${options.host}:${options.port}${request.path}`
    super.addRequest(request, { ...options, host: '127.0.0.1', port: this.proxyPort })
  }
}

async function load (file) { return import(pathToFileURL(path.resolve(suite, file))) }

/** Every applicable test with its kind and verdict, in the suite's order. */
async function run () {
  const originPort = await startOrigin()
  const port = await startGateway(originPort)
  const { runTests, getResults } = await load('client/runner.mjs')
  const { determineTestResult } = await load('lib/display.mjs')
  // Without the section on Surrogate-Control, which the suite's published overview leaves out as well.
  const sections = (await load('tests/index.mjs')).default
  const fetch = (await load('../node-fetch/lib/index.mjs')).default
  const agent = mode === 'forward' ? new ProxyAgent(port) : undefined
  const quiet = (url, init) => fetch(url, { ...init, agent, timeout: REQUEST_MS })
  await runTests(sections, quiet, false, `http://127.0.0.1:${mode === 'forward' ? originPort : port}`)
  const results = getResults()
  return sections.map(section => ({
    id: section.id,
    tests: section.tests.filter(test => !test.browser_only).map(test => {
      const verdict = VERDICTS[determineTestResult(sections, test.id, results)[2]]
      return { id: test.id, kind: test.kind || 'required', verdict, why: results[test.id]?.[1] || '' }
    })
  })).filter(section => section.tests.length > 0)
}

/** id -> [verdict, reason]; a line is `id verdict` or `id verdict  # reason`. */
function readExpected () {
  const text = fs.existsSync(expectedFile) ? fs.readFileSync(expectedFile, 'utf8') : ''
  const lines = text.split('\n').filter(line => line && !line.startsWith('#'))
  return new Map(lines.map(line => {
    const [judgement, reason = ''] = line.split(/\s+# /)
    const [id, verdict] = judgement.trim().split(/\s+/)
    return [id, [verdict, reason]]
  }))
}

function writeExpected (sections, expected) {
  let text = `# The verdict of each test of http-cache-tests in ${mode} mode, by the suite's own rules; read and written by .ci/suite.\n` +
    '# What does not pass says why.\n'
  for (const section of sections) {
    text += `\n# ${section.id}\n`
    for (const { id, verdict } of section.tests.filter(test => !(test.id in UNJUDGED))) {
      const reason = expected.get(id)?.[1]
      text += `${id} ${verdict}${NEEDS_REASON.has(verdict) || reason ? `  # ${reason || '?'}` : ''}\n`
    }
  }
  fs.mkdirSync(path.dirname(expectedFile), { recursive: true })
  fs.writeFileSync(expectedFile, text)
}

/** What differs from the record, a line each. */
function differences (tests, expected) {
  const found = []
  for (const { id, verdict, why } of tests) {
    const [recorded, reason] = expected.get(id) || ['nothing', '']
    if (recorded !== verdict) found.push(`${id}: expected ${recorded}, found ${verdict}${why && ` (${why})`}`)
    else if (NEEDS_REASON.has(verdict) && (reason === '' || reason === '?')) found.push(`${id}: expected a reason for ${verdict}, found none (${why})`)
  }
  const known = new Set(tests.map(test => test.id))
  return found.concat([...expected.keys()].filter(id => !known.has(id)).map(id => `${id}: on record, but not in the suite`))
}

function score (tests, kind) {
  const ofKind = tests.filter(test => test.kind === kind)
  return `${ofKind.filter(test => test.verdict === 'pass').length}/${ofKind.length}`
}

const sections = await run()
const tests = sections.flatMap(section => section.tests).filter(test => !(test.id in UNJUDGED))
const expected = readExpected()
if (flag === '--write') writeExpected(sections, expected)
const found = differences(tests, flag === '--write' ? readExpected() : expected)
const [required, optimal] = [score(tests, 'required'), score(tests, 'optimal')]
const row = `| Vouchsafe, ${mode} mode | ${required} | ${optimal} |`
if (!fs.readFileSync('README.md', 'utf8').includes(row)) found.push(`README.md: expected the row ${row}, found none`)
const yes = tests.filter(test => test.verdict === 'yes').length
const checks = tests.filter(test => test.kind === 'check').length
console.log(`suite, ${mode} mode: ${required} required, ${optimal} optimal, ${yes} of ${checks} checks yes; not judged: ${Object.keys(UNJUDGED).join(', ')}`)
for (const line of found) console.log(`  ${line}`)
if (found.length > 0) console.log(`  ${found.length} differences from what is on record; if they are right: .ci/suite --write, and mend README.md`)
process.exit(found.length > 0 ? 1 : 0)
