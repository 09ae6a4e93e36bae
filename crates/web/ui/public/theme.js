// Runs before the first paint, so that a chosen theme never flashes. A file of its own: the page allows no inline script.
(function () {
  try {
    var theme = localStorage.getItem('linecard.theme');
    if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
  } catch (_) {
    // Without storage the system's theme is used.
  }
})();
