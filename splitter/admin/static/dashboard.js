// Draws what /api/v1 tells, once a second.  It only looks.  Every text goes in as text, never as markup: what stands in an
// event may have been written by anybody.
"use strict";

const EVERY_MS = 1000;
const EVENTS_SHOWN = 12;
const EVENTS_LOOKED_BACK = 200;
const WAITS = ["HELD", "AWAITING_OVERRIDE"];
const BACK = ["ROLLING_BACK", "HALTED"];

const seen = new Map(); // app -> the number of its last event that is drawn, and the drawn list

function element(name, text = "", kind = "") {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = kind;
  return made;
}

function row(cells, name = "td") {
  const made = element("tr");
  for (const cell of cells) made.append(cell instanceof Node ? cell : element(name, cell));
  return made;
}

function table(rows) {
  const made = element("table");
  made.append(...rows);
  const frame = element("div", "", "scroll");
  frame.append(made);
  return frame;
}

const words = (state) => state.toLowerCase().replaceAll("_", " ") || "serving";
const percent = (part) => `${Number((100 * part).toPrecision(3))} %`;
const milliseconds = (us) => (us === null ? "–" : `${(us / 1000).toFixed(us < 10000 ? 1 : 0)} ms`);

function duration(seconds) {
  const whole = Math.max(1, Math.round(seconds));
  return whole < 60 ? `${whole} s` : whole < 3600 ? `${Math.round(whole / 60)} min` : `${(whole / 3600).toFixed(1)} h`;
}

function heading(status) {
  const made = element("h2", status.app);
  const kind = WAITS.includes(status.state) ? "waits" : BACK.includes(status.state) ? "back" : "";
  made.append(element("span", words(status.state), `state ${kind}`));
  if (status.step) made.append(element("span", `${percent(status.share_bp / 10000)}, step ${status.step} of ${status.steps}`));
  if (status.state) made.append(element("span", `for ${duration(status.in_state_s)}`));
  if (status.held_for) made.append(element("span", status.held_for));
  if (status.shadow && status.verdict_in_s !== null) made.append(element("span", `verdict in ~${duration(status.verdict_in_s)}`));
  return made;
}

function bar(status) {
  const made = element("div", "", "bar");
  const shadow = element("i");
  shadow.style.width = `${status.share_bp / 100}%`;
  made.title = `${percent(status.share_bp / 10000)} for the shadow`;
  made.append(shadow);
  return made;
}

function stacks(status) {
  const rows = [row(["", "stack", "requests", "per second", "errors", "p50", "p99", "memory"], "th")];
  for (const [role, stack] of [["live", status.live], ["shadow", status.shadow]]) {
    if (!stack) continue;
    const uses = stack.uses;
    const memory = uses && uses.memory !== null && uses.memory_limit ? percent(uses.memory / uses.memory_limit) : "–";
    const errors = stack.error_rate === null ? "–" : percent(stack.error_rate);
    const name = element("td", `${stack.id}${stack.is_up ? "" : " (down)"}`, stack.is_up && !stack.unhealthy ? "" : "trouble");
    const figures = [stack.requests.toLocaleString(), stack.rps.toFixed(1), errors, milliseconds(stack.p50_us)];
    rows.push(row([role, name, ...figures, milliseconds(stack.p99_us), memory]));
    if (stack.unhealthy) rows.push(row(["", element("td", stack.unhealthy, "trouble")]));
  }
  return table(rows);
}

function evidence(status) {
  const says = { non_inferior: "proven", worse: "worse", undecided: "" };
  return table(status.evidence.map((one) =>
    row([one.kpi.replaceAll("_", " "), one.sentence, element("td", says[one.verdict], one.verdict)])));
}

function notes(status) {
  const made = element("ul", "", "notes");
  const cost = status.rollback_cost;
  const parked = status.parked;
  if (parked) {
    const why = parked.why ? `: ${parked.why}` : "";
    made.append(element("li", `parked by ${parked.by}${why}; ${parked.requests} wait, ${Math.ceil(parked.left_s)} s more at most`, "trouble"));
  }
  for (const gate of status.gates) made.append(element("li", `a promotion waits: ${gate}`));
  for (const warning of status.warnings) made.append(element("li", `warning: ${warning}`));
  if (status.shadow && "points" in cost) made.append(element("li", `rollback cost: ${cost.points}`));
  if (status.standby_until) made.append(element("li", `standby until ${status.standby_until.slice(11, 19)} UTC: splitter undo goes back to it`));
  if (status.trouble) made.append(element("li", status.trouble, "trouble"));
  return made;
}

function section(status) {
  const made = element("section");
  made.append(heading(status), bar(status), stacks(status));
  if (status.shadow && status.evidence.length) made.append(evidence(status));
  made.append(notes(status), seen.get(status.app)?.list ?? element("ol"));
  return made;
}

async function asked(path) {
  const answer = await fetch(path, { cache: "no-store" });
  if (!answer.ok) throw new Error(`${path} is answered by ${answer.status}`);
  return answer.json();
}

async function readEvents(status) {
  if (seen.get(status.app)?.last === status.last_seq) return;
  const after = Math.max(0, status.last_seq - EVENTS_LOOKED_BACK);
  const page = await asked(`api/v1/apps/${encodeURIComponent(status.app)}/events?after=${after}`);
  const list = element("ol");
  for (const event of page.events.slice(-EVENTS_SHOWN).reverse()) {
    const line = element("li");
    line.append(element("time", event.at.slice(0, 19).replace("T", " ")), event.sentence);
    list.append(line);
  }
  seen.set(status.app, { last: status.last_seq, list });
}

async function draw() {
  const connection = document.getElementById("connection");
  try {
    const { apps } = await asked("api/v1/apps");
    await Promise.all(apps.map(readEvents));
    document.getElementById("apps").replaceChildren(...apps.map(section));
    connection.textContent = `as of ${new Date().toLocaleTimeString()}`;
    connection.className = "";
  } catch (error) {
    connection.textContent = `the daemon does not answer (${error.message}); what is shown is old`;
    connection.className = "lost";
  }
  setTimeout(draw, EVERY_MS);
}

draw();
