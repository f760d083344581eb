// A link may carry the token behind a "#", which no browser sends anywhere: take it, and leave no trace in the history.
(function () {
  "use strict";
  var token = decodeURIComponent(window.location.hash.slice(1));
  if (!token) return;
  window.history.replaceState(null, "", window.location.pathname);
  document.getElementById("token").value = token;
  document.getElementById("login").submit();
})();
