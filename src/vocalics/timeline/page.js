const find = (id) => document.getElementById(id);
const data = JSON.parse(find("timeline").textContent);
const audio = find("audio"), wide = find("wide"), chart = find("chart"), now = find("now"), picker = find("file");
const buttons = [...document.querySelectorAll(".play")], tracks = [...document.querySelectorAll(".track")];
const names = tracks.map((track) => track.querySelector(".name").textContent);
const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400];
let until = null, expected = 0, zoom = 1;

const clock = (seconds) => {
  const s = Math.floor(seconds), h = Math.floor(s / 3600), m = Math.floor(s / 60) % 60;
  const two = (n) => String(n).padStart(2, "0");
  return h ? `${h}:${two(m)}:${two(s % 60)}` : `${m}:${two(s % 60)}`;
};
// What cannot be played shows it; a pause that comes before the first sound is no fault.
const play = () => { audio.play().catch(() => {}); };
const ready = () => !audio.hidden && audio.src;

function go(start, end) {
  if (!ready()) { picker?.focus(); return; }
  until = end;
  expected = audio.currentTime = Math.min(Math.max(start, 0), data.duration);
  play();
}

function show() {
  const time = audio.currentTime;
  // A player stops a little late: what is asked for is heard to its end, and nothing of the next one.
  if (until !== null && time >= until - 0.02) { audio.pause(); until = null; }
  find("head").style.left = `${100 * Math.min(time / data.duration, 1)}%`;
  wide.setAttribute("aria-valuenow", time.toFixed(1));
  wide.setAttribute("aria-valuetext", clock(time));
  const heard = data.segments.flatMap((s, i) => (s.start <= time && time < s.end ? [i] : []));
  buttons.forEach((button, i) => button.closest("tr").classList.toggle("now", heard.includes(i)));
  const words = heard.map((i) => `${data.segments[i].channel}: ${data.segments[i].label}`).join(" · ");
  if (now.textContent !== words) now.textContent = words;
  if (audio.paused) return;
  const x = wide.offsetWidth * time / data.duration - chart.scrollLeft;
  if (zoom > 1 && (x < 0 || x > chart.clientWidth)) chart.scrollLeft += x - 0.1 * chart.clientWidth;
  requestAnimationFrame(show);
}

function fit() {
  // Where segments are a few pixels wide, outlines would hide their colours.
  wide.classList.toggle("dense", wide.offsetWidth < 14 * data.segments.length);
  for (const word of document.querySelectorAll(".words span")) {
    word.style.visibility = word.scrollWidth > word.clientWidth ? "hidden" : "";
  }
  const most = wide.offsetWidth / 80;
  const step = steps.find((s) => data.duration / s <= most) ?? steps.at(-1);
  const ticks = [];
  for (let second = 0; second < data.duration; second += step) {
    const tick = document.createElement("span");
    tick.style.left = `${100 * second / data.duration}%`;
    tick.textContent = clock(second);
    if ((1 - second / data.duration) * wide.offsetWidth > 45) ticks.push(tick);
  }
  find("axis").replaceChildren(...ticks);
}

function magnify(factor) {
  const middle = (chart.scrollLeft + chart.clientWidth / 2) / wide.offsetWidth;
  zoom = Math.min(Math.max(zoom * factor, 1), Math.max(1, 2 ** Math.floor(Math.log2(Math.min(data.duration / 2, 200)))));
  wide.style.width = `${100 * zoom}%`;
  chart.scrollLeft = middle * wide.offsetWidth - chart.clientWidth / 2;
  fit();
}

function open() { buttons.forEach((button) => { button.disabled = false; }); }

buttons.forEach((button, i) => button.addEventListener("click", () => go(data.segments[i].start, data.segments[i].end)));
wide.addEventListener("click", (event) => {
  const box = wide.getBoundingClientRect(), track = tracks.indexOf(event.target.closest(".track"));
  const time = data.duration * (event.clientX - box.left) / box.width;
  const hit = event.target.closest(".chances") ? undefined
    : data.segments.find((s) => s.channel === names[track] && s.start <= time && time < s.end);
  if (hit) go(hit.start, hit.end); else go(time, null);
});
wide.addEventListener("keydown", (event) => {
  const to = { ArrowLeft: audio.currentTime - 5, ArrowRight: audio.currentTime + 5, Home: 0, End: data.duration }[event.key];
  if (!ready() || (to === undefined && event.key !== " ")) return;
  event.preventDefault();
  if (to !== undefined) { audio.currentTime = Math.min(Math.max(to, 0), data.duration); return; }
  if (audio.paused) play(); else audio.pause();
});
picker?.addEventListener("change", () => {
  if (!picker.files.length) return;
  audio.src = URL.createObjectURL(picker.files[0]);
  audio.hidden = false;
  picker.labels[0].hidden = true;
  open();
});
audio.addEventListener("play", show);
audio.addEventListener("seeking", () => { if (Math.abs(audio.currentTime - expected) > 0.1) until = null; show(); });
audio.addEventListener("pause", show);
find("in").addEventListener("click", () => magnify(2));
find("out").addEventListener("click", () => magnify(0.5));
addEventListener("resize", fit);
if (ready()) open();
fit();
