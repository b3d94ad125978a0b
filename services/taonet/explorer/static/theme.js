// Set before the first paint, so that a chosen theme does not flash into the other.
const chosen = localStorage.getItem("theme");
if (chosen) document.documentElement.dataset.theme = chosen;
