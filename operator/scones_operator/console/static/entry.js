// Let in who has the link: its fragment holds the token, without which there is no data.

import { keepToken, request } from "./access.js";

const LINK = /^#token=([\w-]+)$/;
const link = LINK.exec(location.hash);
if (link) {
  keepToken(link[1]);
  // Neither the address nor the history shows it.
  history.replaceState(null, "", location.pathname);
}

const response = await request("/page").catch(() => null);
// A new link in the address bar of an open page, such as after the console was started again.
window.addEventListener("hashchange", () => {
  if (LINK.test(location.hash)) location.reload();
});

if (response?.ok) {
  // Made by the console of its own template, with what is not its own escaped.
  document.body.innerHTML = await response.text();
  await import("./main.js");
} else {
  const text = document.getElementById("entry");
  if (text) text.textContent = response ? await response.text() : "The console does not respond: is `scones console` still running?";
}
