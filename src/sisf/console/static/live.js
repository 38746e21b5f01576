// Follows exchanges as they come: fetches this same page again and puts its list in place of the one shown.
"use strict";
const state = document.getElementById("live-state");
const button = document.getElementById("live-pause");
const PAUSE = 2000;
let following = true;

function say(text) {
  state.textContent = text;
}

async function look() {
  const list = document.getElementById("live");
  const selected = !window.getSelection().isCollapsed;
  if (following && !document.hidden && !selected && !list.contains(document.activeElement)) {
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" }, redirect: "error" });
      if (!answer.ok) throw new Error(answer.status === 401 ? "you are signed out" : "status " + answer.status);
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
      const known = new Set([...list.querySelectorAll("tr[id]")].map((row) => row.id));
      for (const row of fresh.querySelectorAll("tr[id]")) row.classList.toggle("fresh", !known.has(row.id));
      list.replaceWith(document.importNode(fresh, true));
      say("Following.");
    } catch (error) {
      say("Cannot follow now (" + error.message + "); trying again.");
    }
  }
  setTimeout(look, PAUSE);
}

button.addEventListener("click", () => {
  following = !following;
  button.textContent = following ? "Pause" : "Follow";
  say(following ? "Following." : "Paused.");
});
button.hidden = false;
say("Following.");
setTimeout(look, PAUSE);
