"""Walks through the page of `suture serve` of a classifier in Chromium, looks at it with axe, and takes pictures.

    .deps/serve/bin/python Tests/Interop/pictures.py SUTURE [FOLDER FOR PICTURES]

The classifiers are trained here, on shapes that are drawn here, in colours by chance.
"""

import os, random, shutil, struct, subprocess, sys, tempfile, time, zlib
from pathlib import Path

import browser as chromium
from browser import Browser, check
from served import ask, served

SUTURE = Path(sys.argv[1]).resolve()
PICTURES = Path(sys.argv[2]) if len(sys.argv) > 2 else None
SIDE = 32
SHAPES = {
    "cross": lambda x, y, size: min(abs(x), abs(y)) < size / 3 and max(abs(x), abs(y)) < size,
    "disc": lambda x, y, size: x * x + y * y < size * size,
    "frame": lambda x, y, size: size * 0.6 < max(abs(x), abs(y)) < size,
    "stripes": lambda x, y, size: max(abs(x), abs(y)) < size and int(y + 64) % 6 < 3,
}


def png(pixels):
    """A PNG file of `[SIDE][SIDE]` colours."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + bytes(value for pixel in row for value in pixel) for row in pixels)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def draw(shape, chance):
    """A shape somewhere, in a colour by chance, on a darker ground."""
    ground, ink = [chance.randrange(0, 90) for _ in range(3)], [chance.randrange(130, 256) for _ in range(3)]
    size, left, top = chance.uniform(7, 11), chance.uniform(11, 21), chance.uniform(11, 21)
    return png([[ink if SHAPES[shape](x - left, y - top, size) else ground for x in range(SIDE)] for y in range(SIDE)])


def write(folder):
    """Images to train on and to test with, in folders of their classes."""
    chance = random.Random(1)
    for part, count in [("train", 150), ("test", 6)]:
        for shape in SHAPES:
            place = folder / part / shape
            place.mkdir(parents=True)
            for number in range(count):
                (place / f"{shape}{number:03}.png").write_bytes(draw(shape, chance))


def suture(*words):
    # With as many threads everywhere, the same classifiers everywhere.
    one = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run([SUTURE, *map(str, words)], check=True, stdout=subprocess.DEVNULL, env=one)


def classifiers(work):
    """A standard classifier of the shapes, and the signature of one that was trained in fog."""
    write(work / "shapes")
    for name, start, more in [("pretrained", None, []), ("standard", "pretrained", []), ("robust", "pretrained", ["--corrupt", "fog:5"])]:
        begin = ["--init", work / start, "--epochs", 3] if start else ["--architecture", "resnet20", "--width", "0.5", "--epochs", 4]
        suture("train", work / "shapes", "-o", work / name, *begin, *more, "--batch", 32, "--rate", "0.05", "--format", "quiet")
    suture("signature", "extract", "--pretrained", work / "pretrained", "--standard", work / "standard", "--robust",
           work / "robust", "--batch-norm", "replace", "--corruption", "fog", "-o", work / "fog.safetensors")
    return work / "standard", work / "fog.safetensors"


if not shutil.which("chromium"):
    print("skipped: Scripts/setup-serve brings Chromium")
    sys.exit()

with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
    work = Path(folder)
    model, signature = classifiers(work)
    (work / "drawn.png").write_bytes(draw("disc", random.Random(7)))
    with served(SUTURE, model, "--images", work / "shapes") as url:
        browser = Browser(work / "browser", PICTURES)
        try:
            browser.size(1280)
            browser.call("Page.navigate", url=url)
            browser.wait("document.querySelectorAll('table.scores tbody tr').length === 4")
            check("the model", "cifar_resnet, 4 classes, in colours" in browser.run("document.getElementById('model').textContent"))
            verdict = "document.getElementById('verdict').innerText"
            check("a right answer", "✓ right" in browser.run(verdict), browser.run(verdict))
            check("24 images", browser.run("document.querySelectorAll('#image option').length") == 24)
            browser.axe("a picture")
            browser.picture("p1-picture")

            # A corruption, and its severity by the slider.
            change = "((control, value, event) => { control.value = value; control.dispatchEvent(new Event(event, { bubbles: true })); })(document.getElementById('%s'), '%s', '%s')"
            shown = "document.getElementById('status').textContent === '' && !document.getElementById('corrupted-side').hidden"
            browser.run(change % ("corruption", "fog", "change"))
            browser.wait(shown)
            columns = "[...document.querySelectorAll('table.scores thead th')].map((cell) => cell.textContent)"
            check("clean beside corrupted", browser.run(columns) == ["Class", "as it is", "corrupted", "base", "base"], browser.run(columns))
            drawn = "(() => { const canvas = document.getElementById('%s'); return [...canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data]; })()"

            def change_of_pixels():
                clean, corrupted = browser.run(drawn % "clean"), browser.run(drawn % "corrupted")
                return sum(abs(one - other) for one, other in zip(clean, corrupted)) / len(clean)
            weak = change_of_pixels()
            browser.run(change % ("severity", 5, "input"))
            end = time.monotonic() + 30
            while change_of_pixels() <= 1.1 * weak:
                assert time.monotonic() < end, f"{change_of_pixels()} is no more than {weak}"
                time.sleep(0.1)
            check("more of it is seen", True)
            check("the severity is told", browser.run("document.getElementById('severity-shown').value") == "5")

            # The signature comes as a file; one that it helps is looked for among the images.
            check("no patches yet", not browser.run("document.getElementById('no-patches').hidden"))
            ask(f"{url}/api/patches/fog", signature.read_bytes(), "PUT")
            def right(view, side, label, classes):
                return classes[view[side].index(max(view[side]))] == label
            classes = ask(f"{url}/api/model")["classes"]
            helped, before, after = [], 0, 0
            for place in range(24):
                answer = ask(f"{url}/api/classify", {"image": place, "corruption": "fog", "severity": 5, "patches": ["fog"]})
                was, now = [right(answer["corrupted"], side, answer["label"], classes) for side in ["before", "after"]]
                before, after = before + was, after + now
                if now and not was:
                    helped.append(place)
            print(f"right of 24 in fog of severity 5: {before} of the base, {after} with the signature")
            check("the signature helps", after > before and helped, (before, after))
            browser.run("window.isOld = true; location.reload()")
            browser.wait("!window.isOld && document.getElementById('switch-fog')")
            browser.run(change % ("image", helped[0], "change"))
            browser.run(change % ("corruption", "fog", "change"))
            browser.run(change % ("severity", 5, "input"))
            browser.wait(f"{verdict}.includes('✗ it is')")
            browser.run("document.getElementById('switch-fog').click()")
            browser.wait(f"{verdict}.includes('With fog') && {verdict}.includes('✓ right')")
            check("before and after", browser.run(columns) == ["Class", "as it is", "corrupted", "base", "patched", "base", "patched"])
            cells = "[...document.querySelectorAll('table.scores tbody tr')].map((row) => row.innerText).join('|')"
            whole = browser.run(cells)
            browser.axe("with a signature")
            for width, dark in [(1280, False), (375, False), (1280, True), (375, True)]:
                browser.size(width, dark=dark)
                time.sleep(0.3)
                browser.axe(f"{width} {'dark' if dark else 'light'}")
                browser.picture(f"p2-signature-{width}{'-dark' if dark else ''}")
            browser.size(1280)
            # How much of it, by the slider; nothing of it is the base.
            browser.run(change % ("scale-fog", 0.5, "input"))
            browser.wait(f"{verdict}.includes('With fog@0.5')")
            check("half of it is another answer", browser.run(cells) != whole)
            browser.run(change % ("scale-fog", 1, "input"))
            browser.wait(f"{verdict}.includes('With fog:')")
            check("all of it is what it was", browser.run(cells) == whole)

            # A picture of one's own.
            browser.call("DOM.enable")
            root = browser.call("DOM.getDocument")["root"]["nodeId"]
            node = browser.call("DOM.querySelector", nodeId=root, selector="#file")["nodeId"]
            browser.call("DOM.setFileInputFiles", nodeId=node, files=[str(work / "drawn.png")])
            browser.wait(f"!{verdict}.includes('it is') && !{verdict}.includes('right') && {verdict}.includes('The base')")
            browser.run(change % ("corruption", "", "change"))
            browser.wait("document.getElementById('corrupted-side').hidden")
            check("a picture that was opened", "disc" in browser.run(verdict), browser.run(verdict))
            browser.axe("an opened picture")
            browser.picture("p3-opened")
            (work / "broken.png").write_bytes(b"no picture")
            browser.call("DOM.setFileInputFiles", nodeId=node, files=[str(work / "broken.png")])
            browser.wait("document.getElementById('status').textContent.includes('neither a PNG nor a JPEG')")
            check("the browser says no more than that", all("400" in line for line in browser.problems), browser.problems)
        finally:
            browser.close()

print(f"{chromium.passed} passed, 0 failed")
