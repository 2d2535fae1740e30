"""Walks through the page of `suture serve` in Chromium, looks at it with axe, and takes pictures.

    .deps/serve/bin/python Tests/Interop/page.py SUTURE MODEL.gguf [FOLDER FOR PICTURES]
"""

import json, re, shutil, sys, tempfile, time
from pathlib import Path

import browser as chromium
from browser import Browser, check
from served import served

SUTURE, MODEL = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
PICTURES = Path(sys.argv[3]) if len(sys.argv) > 3 else None

if not MODEL.exists() or not shutil.which("chromium"):
    print("skipped: Scripts/setup and Scripts/setup-serve bring the model and Chromium")
    sys.exit()

# Processes of the browser may still write to its profile when it has ended.
with served(SUTURE, MODEL) as url, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
    browser = Browser(folder, PICTURES)
    try:
        browser.size(1280)
        browser.call("Page.navigate", url=url)
        browser.wait("document.getElementById('model')?.textContent.includes('layers')")
        browser.axe("the empty page")
        browser.picture("1-empty")

        # 1. A prompt is written to its end; each token tells its probability.
        browser.run("document.getElementById('prompt').value = 'The capital of Australia is'; document.getElementById('ask').requestSubmit()")
        browser.wait("document.getElementById('status').textContent.includes('tokens in')")
        text = "[...document.querySelectorAll('.piece')].map((piece) => piece.textContent).join('')"
        first = browser.run(text)
        check("tokens", 5 < browser.run("document.querySelectorAll('.piece').length") <= 32)
        check("a probability", "%" in browser.run("document.querySelector('.piece').getAttribute('aria-label')"))
        browser.picture("2-answer")

        # 2. The first token is wrong; by the keyboard.
        browser.run("document.querySelector('.piece').focus()")
        browser.key("ArrowRight", 39)
        browser.key("ArrowLeft", 37)
        browser.key("Enter", 13)
        browser.wait("!document.getElementById('token').hidden")
        check("rivals", browser.run("document.querySelectorAll('input[name=rival]').length") >= 5)
        check("the rival is Canberra", browser.run("document.querySelector('input[name=rival]:checked').value") == " Canberra")
        browser.axe("a chosen token")
        browser.picture("3-token")

        # 5. Looking inside.
        browser.run("document.getElementById('look').click()")
        browser.wait("document.querySelectorAll('#lens td').length > 50")
        browser.run("document.getElementById('attention-tab').click()")
        browser.wait("document.querySelectorAll('#attention td').length > 20")
        browser.axe("inside")
        browser.run("document.getElementById('lens-tab').click()")
        browser.wait("document.querySelectorAll('#lens td').length > 50")
        browser.picture("4-inside")
        # Each view is a link.
        cells = "[...document.querySelectorAll('#lens td')].map((cell) => cell.textContent).join('|')"
        seen, link = browser.run(cells), browser.run("document.getElementById('view-link').href")
        check("a link to the view", "view=lens" in link and link == browser.run("location.href"), link)
        browser.run("window.isOld = true; location.reload()")
        browser.wait("!window.isOld && document.querySelectorAll('#lens td').length > 50")
        check("the link's view", browser.run(cells) == seen)
        check("the link's prompt", browser.run("document.getElementById('prompt').value") == "The capital of Australia is")
        browser.run("location.hash = location.hash.replace('view=lens', 'view=attention') + '&layer=3'")
        browser.wait("document.querySelectorAll('#attention td').length > 20")
        check("the link's layer", browser.run("document.querySelector('#attention select').value") == "3")
        # Another prompt lends a part: layers by tokens, a cell is patched, and that is a link, too.
        browser.run("document.getElementById('sweep-tab').click()")
        browser.run("document.querySelector('#sweep textarea').value = 'The capital of Germany is'; document.querySelector('#sweep form').requestSubmit()")
        browser.wait("document.querySelectorAll('#sweep td button').length > 100")
        rows = browser.run("document.querySelectorAll('#sweep tbody tr').length")
        browser.run("document.querySelector('#sweep td button[tabindex=\"0\"]').focus()")
        browser.key("ArrowDown", 40)
        focused = browser.run("document.activeElement.getAttribute('aria-label')")
        check("arrows go through the map", focused.startswith(f"layer {rows - 2},"), focused)
        cell = "document.querySelector('#sweep button[data-layer=\"0\"][data-position=\"3\"]')"
        browser.run(f"{cell}.click()")
        told = "[...document.querySelectorAll('#sweep figure .text')].map((text) => text.textContent)"
        browser.wait(f"{told}.length === 2")
        swapped = browser.run(told)
        check("a patched cell", swapped[0].startswith(" Sydney") and swapped[1].startswith(" Berlin"), swapped)
        browser.axe("a sweep")
        for width in [1280, 375]:
            browser.size(width)
            browser.run("document.getElementById('inside').scrollIntoView()")
            browser.picture(f"4-sweep-{width}")
        browser.size(1280)
        check("a link to the cell", "view=sweep" in browser.run("location.href") and "cell=0%2C3" in browser.run("location.href"))
        browser.run("window.isOld = true; location.reload()")
        browser.wait(f"!window.isOld && {told}.length === 2")
        check("the link's cell", browser.run(told) == swapped)
        browser.run("document.getElementById('ask').requestSubmit()")
        browser.wait("document.getElementById('status').textContent.includes('tokens in')")
        browser.run("document.querySelector('.piece').click()")
        browser.run("document.getElementById('inside').hidden = true")

        # 3. Prompts of one's own: one typed in, and a token of the answer that is to go.
        browser.run("document.getElementById('case-prompt').value = 'The capital of France is'; document.getElementById('case-expected').value = ' Paris'; document.getElementById('keep').requestSubmit()")
        browser.wait("document.querySelectorAll('#case-list li').length === 1")
        browser.run("document.getElementById('keep-token').click()")
        browser.wait("document.querySelectorAll('#case-list li').length === 2")
        browser.run("document.getElementById('test').click()")
        browser.wait("document.getElementById('case-status').textContent.includes('of 2 are right')")
        said = browser.run("document.getElementById('case-status').textContent")
        check("both are right", said.startswith("2 of 2"), said)
        check("each says so", browser.run("document.getElementById('case-list').innerText").count("✓ right") == 2)
        browser.axe("own prompts")

        # 2 and 3. The repair, and what it costs.
        check("own prompts are to stay right", browser.run("!document.getElementById('bound').hidden && document.getElementById('keep-cases').checked"))
        start = time.monotonic()
        browser.run("document.getElementById('mend').requestSubmit()")
        browser.wait("document.querySelectorAll('#outcome .sides mark').length === 2")
        print(f"from the click to the repaired answer: {time.monotonic() - start:.1f} s, with what was left of the preparation")
        marks = "[...document.querySelectorAll('#outcome .sides mark')].map((mark) => mark.textContent)"
        check("before and after", browser.run(marks) == [" Sydney", " Canberra"], browser.run(marks))
        check("the cost is not known yet", browser.run("!document.getElementById('going').hidden"))
        browser.axe("a repaired answer")
        browser.picture("5-repaired")
        browser.wait("document.querySelectorAll('#outcome dd').length >= 8")
        print(f"from the click to what it costs: {time.monotonic() - start:.1f} s")
        check("before and after, with the patch", browser.run(marks) == [" Sydney", " Canberra"], browser.run(marks))
        text_of = "document.getElementById('outcome').innerText"
        check("own prompts after the repair", "2 and 1 of 2" in browser.run(text_of), browser.run(text_of))
        check("the repair was bound to the one of another prompt", re.search(r"had to leave right\s+1 of 1", browser.run(text_of)), browser.run(text_of))
        browser.axe("a repair")
        browser.picture("5-repair")

        # 4. Switched on, half, off: the text changes at once.
        browser.run("document.querySelector('#outcome button').click()")
        browser.wait(f"{text}.startsWith(' Canberra')")
        browser.wait("document.getElementById('status').textContent.includes('tokens in')")
        # Which patch the first token is due to.
        browser.run("document.querySelector('.piece').click(); document.getElementById('blame').click()")
        browser.wait("document.getElementById('blamed').textContent.includes('Without fix1')")
        blamed = browser.run("document.getElementById('blamed').textContent")
        check("the culprit", "Sydney" in blamed and "Canberra" in blamed, blamed)
        browser.axe("a culprit")
        browser.run("document.getElementById('leave').click()")
        check("the stack's name", browser.run("document.getElementById('stack').textContent").endswith("+fix1"))
        browser.picture("6-switched-on")
        slide = "((slider, value) => { slider.value = value; slider.dispatchEvent(new Event('input', { bubbles: true })); })(document.getElementById('scale-fix1'), %s)"
        browser.run(slide % 0)
        browser.wait(f"{text} === {json.dumps(first)}")
        browser.run(slide % 1)
        browser.wait(f"{text}.startsWith(' Canberra')")
        browser.run("document.getElementById('switch-fix1').click()")
        browser.wait(f"{text} === {json.dumps(first)}")

        # On a phone, and in the dark.
        for width, dark in [(375, False), (1280, True), (375, True)]:
            browser.size(width, dark=dark)
            time.sleep(0.3)
            browser.axe(f"{width} {'dark' if dark else 'light'}")
            browser.picture(f"7-{width}{'-dark' if dark else ''}")
        browser.size(1280)

        # A conversation.
        browser.run("document.querySelector('[value=chat]').click(); document.getElementById('prompt').value = 'Name a colour.'; document.getElementById('ask').requestSubmit()")
        browser.wait("document.getElementById('status').textContent === 'writing…'")
        browser.wait("document.getElementById('status').textContent.includes('tokens in')")
        check("a chat is answered", browser.run("document.querySelectorAll('.piece').length") > 2)
        browser.picture("8-chat")
        check("no errors in the console", not browser.problems, browser.problems)
    finally:
        browser.close()

# A server that asks for a token: it is typed in, or comes with the link, and is not left in the address.
with tempfile.TemporaryDirectory() as folder:
    token = Path(folder) / "token.txt"
    token.write_text("a-token-of-22-letters\n")
    with served(SUTURE, MODEL, "--token", token) as url:
        browser = Browser(f"{folder}/browser", PICTURES)
        try:
            browser.size(375)
            browser.call("Page.navigate", url=url)
            browser.wait("document.getElementById('entry')?.hidden === false")
            browser.axe("the entry")
            browser.picture("9-entry")
            browser.run("document.getElementById('key').value = 'a-token-of-22-letters'; document.getElementById('entry').requestSubmit()")
            browser.wait("document.getElementById('model')?.textContent.includes('layers')")
            check("the entry goes", browser.run("document.getElementById('entry').hidden"))
            browser.run("sessionStorage.clear(); window.isOld = true; location.reload()")
            browser.wait("!window.isOld && document.getElementById('entry')?.hidden === false")
            browser.run(f"location.href = '{url}/#token=a-token-of-22-letters'")
            browser.wait("document.getElementById('model')?.textContent.includes('layers')")
            check("no token in the address", "token" not in browser.run("location.href"), browser.run("location.href"))
        finally:
            browser.close()

print(f"{chromium.passed} passed, 0 failed")
