// What every page does: times in the viewer's zone, keys, search as one types, parts that are fetched again, live parts.
import { times } from "./times.js";
import { keys } from "./keys.js";
import { parts } from "./parts.js";
import { live } from "./live.js";
import { selection } from "./selection.js";

times(document);
keys();
parts();
live();
selection(document);

// What a page said once is not said again when it is loaded again.
const address = new URL(location.href);
if (address.searchParams.has("done") || address.searchParams.has("signed")) {
  address.searchParams.delete("done");
  address.searchParams.delete("signed");
  history.replaceState(null, "", address);
}
