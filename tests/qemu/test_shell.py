# SPDX-License-Identifier: BSD-2-Clause
"""The console with several VMs, and the shell. The VMs are the bare-metal guest `talk`: it prompts, echoes, and floods."""
import json
import re
import subprocess

import pytest

from conftest import BUILD, ROOT
from test_smp import SOAK

ESCAPE = "\x1d"  # Ctrl-]
SHELL = r"virt7> "
TALK = BUILD / "guests" / "talk.bin"


@pytest.fixture
def talk(virt7, mkbundle):
    """talk(vm, ...) -> Qemu: a VM for each string, "NAME[,property=value...]"; when it returns, all are up."""

    def start(*vms, up=True, **machine):
        run = virt7(mkbundle(*[f"memory=8M,kernel={TALK},name={vm}" for vm in vms]), **machine)
        for _ in vms if up else ():
            run.expect(r"talk: ready\r")
        return run

    return start


def open_shell(run):
    run.send(ESCAPE)
    run.expect(SHELL)


ALWAYS_SAYS = ("net", "vm list")


def command(run, text):
    """
    Type it in the shell; returns what it printed. A line of virt7's may come amid the echo: what was typed is shown again then, with a
    prompt before it that is not that of the end. Of what always says something that is known.
    """
    run.send(text + "\r")
    run.expect(r"(?:\x1b\[K)?".join(map(re.escape, text)) + r"(?:\x1b\[K)?\r+\n")
    run.expect(SHELL)
    said = run.child.before
    while text in ALWAYS_SAYS and all(re.match(r"virt7: |\w+\| |\r*$", line) for line in said.split("\n")):
        run.expect(SHELL)
        said += run.child.before
    return said.replace("\r", "")


def power_off(run):
    run.send("poweroff\r")
    assert run.wait() == 0


def test_one_vm_is_raw(talk):
    run = talk("a")
    run.expect(r"\n> $")
    run.send("hello\r")
    run.expect(r"\nheard: hello\r")
    assert "a| " not in run.output()
    open_shell(run)
    assert re.search(r"^a +running +1 of 1 +8 MiB +screen, keyboard$", command(run, "vm list"), re.M)
    run.send("exit\r")
    run.expect(r"\[a\]\r+\n> ")  # its prompt is seen again
    run.send("off\r")
    run.expect("virt7: no VM is running: power off")
    assert run.wait() == 0


def test_lines_with_names(talk):
    run = talk("a", "bee")
    run.send("hello\r")
    run.expect(r"\na\| heard: hello\r")
    open_shell(run)
    run.send("vm console bee\r")
    run.expect(r"\[bee\]\r+\n> ")
    run.send("you\r")
    run.expect(r"\nheard: you\r")  # raw
    open_shell(run)
    run.send("vm console\r")
    run.expect(r"\[all VMs; keyboard: bee\]\r")
    run.send("again\r")
    run.expect(r"bee\| heard: again\r")
    open_shell(run)
    power_off(run)


def test_cycling_with_the_escape_key(talk):
    run = talk("a", "b")
    for name in ("a", "b", None):
        open_shell(run)
        run.send(ESCAPE)
        run.expect(re.escape(f"[{name}]" if name else "[all VMs; keyboard: b]") + "\r")
    open_shell(run)
    power_off(run)


def test_typed_ahead(talk):
    """What is typed behind a command that leaves the shell goes where it would have gone if it had been typed later."""
    run = talk("a", "b")
    open_shell(run)
    for _ in range(20):
        run.send("\x04" + ESCAPE)  # Ctrl-D, and in again
        run.expect(r"\[all VMs; keyboard: a\]\r")
        run.expect(SHELL)
    run.send("vm console b\rhello\r")
    run.expect(r"heard: hello\r")
    open_shell(run)
    power_off(run)


def test_nothing_is_lost_out_of_sight(talk):
    """What a VM prints while another has the screen, or the shell, is there when it gets it."""
    run = talk("a", "b")
    for name in ("a", "b", "a", "b"):
        open_shell(run)
        run.send(f"vm console {name}\r")
        run.expect(rf"\[{name}\]\r+\n")
        run.send("count 300\r")
        run.expect(r"line 3\r")  # and away from it in the middle
    for name in ("a", "b"):
        open_shell(run)
        command(run, "vm list")
        run.send(f"vm console {name}\r")
        run.send("done\r")
        run.expect(r"heard: done\r")
    open_shell(run)
    power_off(run)
    assert "lost" not in run.output()
    lines = re.findall(r"^line (\d+)$", run.output(), re.M)
    # Four times each; a line that was unfinished when the screen went away is shown again.
    assert all(lines.count(str(n)) >= 4 for n in range(1, 301)) and len(lines) <= 4 * 300 + 8


# What a guest prints to be taken for virt7, for another VM or for the operator, or to steer the terminal; and what is to be
# seen of it, behind its own name. None: it comes through as it is.
FORGERIES = [
    (b"virt7: error: text alone", None),
    (b"ok\rvirt7: error: over the prefix", b"ok\r\na| virt7: error: over the prefix"),
    (b"ok\r\rb| another's", b"ok\r\na| b| another's"),
    (b"\rvirt7: first", b"virt7: first"),
    (b"\n\rvirt7: LF CR", b"\r\na| virt7: LF CR"),
    (b"ok\b\b\b\b\b\bvirt7: b", rb"ok\x08\x08\x08\x08\x08\x08virt7: b"),
    (b"\x1b[2K\x1b[1Gvirt7: CSI", rb"\x1b[2K\x1b[1Gvirt7: CSI"),
    (b"\x1b[A\x1b[Gvirt7: up", rb"\x1b[A\x1b[Gvirt7: up"),
    (b"\x1b[2J\x1b[Hvirt7> ", rb"\x1b[2J\x1b[Hvirt7> "),
    (b"\x1bEvirt7: NEL", rb"\x1bEvirt7: NEL"),
    (b"\x85virt7: C1 NEL", rb"\x85virt7: C1 NEL"),
    (b"\xc2\x85virt7: in UTF-8", rb"\xc2\x85virt7: in UTF-8"),
    (b"\x9b2Jvirt7: C1 CSI", rb"\x9b2Jvirt7: C1 CSI"),
    (b"\xc2\x9b2Jvirt7: in UTF-8", rb"\xc2\x9b2Jvirt7: in UTF-8"),
    (b"\xc0\x8dvirt7: overlong CR", rb"\xc0\x8dvirt7: overlong CR"),
    (b"\xe0\x82\x9b1Gvirt7: CSI", rb"\xe0\x82\x9b1Gvirt7: CSI"),
    (b"\xf0\x80\x80\x8dvirt7: CR", rb"\xf0\x80\x80\x8dvirt7: CR"),
    (b"\xed\xa0\x80\xed\xb0\x80 surrogates", rb"\xed\xa0\x80\xed\xb0\x80 surrogates"),
    (b"\xf4\x90\x80\x80 and beyond", rb"\xf4\x90\x80\x80 and beyond"),
    (b"\xe2\x82\rvirt7: cut", b"\\xe2\\x82\r\na| virt7: cut"),
    (b"\xe2\x80\xaerorre :7triv", rb"\xe2\x80\xaerorre :7triv"),
    (b"\xe2\x81\xa7isolate", rb"\xe2\x81\xa7isolate"),
    (b"\xe2\x80\xa8virt7: a separator", rb"\xe2\x80\xa8virt7: a separator"),
    (b"a\xe2\x80\x8b\xef\xbb\xbf| unseen", rb"a\xe2\x80\x8b\xef\xbb\xbf| unseen"),
    (b"\x1b[6n\x1b[c\x05\x1bZ questions", rb"\x1b[6n\x1b[c\x05\x1bZ questions"),
    (b"\x1b]0;virt7\x07\x1b[21t title", rb"\x1b]0;virt7\x07\x1b[21t title"),
    (b"\x1bP$qm\x1b\\\x90$qm\x9c DCS", rb"\x1bP$qm\x1b\\x90$qm\x9c DCS"),
    (b"\x1b]52;c;Zm9v\x07 clipboard", rb"\x1b]52;c;Zm9v\x07 clipboard"),
    (b"\x0e\x1b(0\x1b[8m hidden", rb"\x0e\x1b(0\x1b[8m hidden"),
    (b"\x1b[?1049h\x1b[3;4r\x1bc", rb"\x1b[?1049h\x1b[3;4r\x1bc"),
    (b"\x0b\x0cvirt7: below\x7f\x00", rb"\x0b\x0cvirt7: below\x7f\x00"),
    (b"\x1b]0;open", rb"\x1b]0;open"),
    (b"\xf0\x9f\x98", rb"\xf0\x9f\x98"),
    ("Grüße\tΣ 字 😀 €".encode(), None),
]
TERMINAL_LINE = "\x18\x1b\\\x1b[m\x0f\x1b(B"
TERMINAL_SCREEN = ("\x18\x1b\\\x1b7\x1b[r\x1b[?1049l\x1b8\x1b[?1;5;9;69;1000;1001;1002;1003;1004;2004l\x1b[?7;25h"
                   "\x1b[2;4;20l\x1b>\x1b[m\x0f\x1b(B\x1b%G")


def expect_exactly(run, text):
    """These characters next and no others; a CR more before a LF is QEMU's terminal's."""
    assert re.sub("\r+\n", "\r\n", run.expect(re.escape(text).replace("\\\r\\\n", "\r+\n"))[0]) == text
    assert run.child.before == ""


def test_forgeries_on_a_shared_screen(talk):
    """Each comes out with the VM's own name before each of its lines, and nothing in it that a terminal obeys; so in `log`."""
    run = talk("a", "b")
    run.expect(r"\nb\| > ")
    run.send("x\r")
    run.expect(r"\na\| heard: x\r+\na\| > ")  # b is silent from here on
    log = ""
    for said, seen in FORGERIES:
        shown = (seen or said).decode()
        typed = f"say {said.hex()}"
        run.send(typed + "\r")
        expect_exactly(run, f"{typed}\r\na| {shown}\r\na| > ")
        log += f"a| > {typed}\r\na| {shown}\r\n"
    open_shell(run)
    run.send("log a\r")
    run.expect(r"log a\r+\na\| talk: ready\r+\na\| > x\r+\na\| heard: x\r+\n")
    expect_exactly(run, f"{log}a| > \r\n{SHELL}")
    power_off(run)


def test_forgeries_on_its_own_screen(talk):
    """There they pass as they are. virt7's lines and the shell find the terminal in order all the same."""
    run = talk("a", "b")
    open_shell(run)
    run.send("vm console a\r")
    run.expect(r"\[a\]\r+\n> ")
    run.send("say 1b5b3f31303439681b5b386d1b5d303b\r")  # alternate screen, concealed, a title without an end
    run.expect(re.escape("3b") + r"\r+\n" + re.escape("\x1b[?1049h\x1b[8m\x1b]0;") + r"\r+\n> ")
    open_shell(run)
    assert run.child.before.replace("\r", "").split("\n")[0] == TERMINAL_SCREEN
    run.send("\x1b[24;80R\x1b]lvm stop -f a\x1b\\vm list\r")  # answers to what it may have asked
    run.expect(r"vm list\r+\n")
    run.expect(r"\na +running")
    run.expect(SHELL)
    run.send("exit\r")
    run.expect(r"\[a\]\r+\n> ")
    run.send("say 1b5b386d\r")
    run.expect(re.escape("\x1b[8m") + r"\r+\n> ")
    run.send("off\r")
    run.expect(r" failed\r+\n" + re.escape(TERMINAL_LINE) + r"\r+\nvirt7: vm a: off\r")
    open_shell(run)
    power_off(run)


@pytest.mark.parametrize("smp", (1, 2))
def test_flood(talk, smp):
    """A VM that prints without end: the others are heard, the shell answers, and its lines stay whole."""
    run = talk("calm", "mad", smp=smp)
    open_shell(run)
    run.send("vm console mad\r")
    run.expect(r"\[mad\]")
    run.send("flood\r")
    run.expect(r"flood 100\r")
    open_shell(run)
    assert "running" in command(run, "vm list")
    run.send("vm console calm\r")
    run.expect(r"\[calm\]")
    run.send("hello\r")
    run.expect(r"heard: hello\r")
    open_shell(run)
    run.send("vm console\r")
    run.expect(r"mad\| flood")
    run.send("anybody\r")
    said = ""  # a line is given up when its VM is silent for a while, which a slow host can make of any
    while "heard: anybody" not in said:
        said += run.expect(r"\ncalm\| ([^\r]*)\r")[1]
    open_shell(run)
    assert re.search(r"^mad +running", command(run, "vm list"), re.M)
    command(run, "vm stop -f mad")
    assert re.search(r"^mad +off", command(run, "vm list"), re.M)
    power_off(run)
    for line in run.output().splitlines():
        assert not re.search(r"flood .*flood|heard.*flood|flood.*heard", line)


def test_life(talk):
    run = talk("a")
    open_shell(run)
    command(run, "vm pause a")
    assert re.search(r"^a +paused", command(run, "vm list"), re.M)
    assert "vm a: it is paused" in command(run, "vm pause a")
    command(run, "vm resume a")
    assert re.search(r"^a +running", command(run, "vm list"), re.M)
    assert "vm a: it is running" in command(run, "vm start a")
    command(run, "vm reset -f a")
    command(run, "vm stop -f a")
    assert re.search(r"^a +off", command(run, "vm list"), re.M)
    assert "vm a: it is off" in command(run, "vm stop -f a")
    run.send("exit\r")
    run.expect(r"no VM is running: `vm start` one, or `poweroff`\r")
    run.expect(SHELL)
    command(run, "vm start a")
    assert re.search(r"^a +running", command(run, "vm list"), re.M)
    run.send("\x04")
    run.expect(r"talk: ready\r")
    run.send("hello\r")
    run.expect(r"heard: hello\r")
    open_shell(run)
    power_off(run)


def test_power_key(talk):
    """stop and reset ask a guest that listens, and only such a one; what does not obey goes on until it is forced."""
    run = talk("a,bootargs=listen=1")
    open_shell(run)
    assert "power key pressed" in command(run, "vm reset a")
    assert re.search(r"^a +running", command(run, "vm list"), re.M)
    run.send("\x04")
    run.expect(r"talk: ready\r+\n> ")  # again; its goodbye stands before it
    assert run.output().count("power key\n") == 1
    open_shell(run)
    assert "power key pressed" in command(run, "vm stop a")
    assert re.search(r"^a +off", command(run, "vm list"), re.M)
    command(run, "vm start a")
    run.send("\x04")
    run.expect(r"talk: ready\r+\n> ")
    run.send("spin\r")
    open_shell(run)
    run.send("vm stop a\r")
    run.expect("power key pressed")
    run.send("\x03")
    run.expect(SHELL)
    assert re.search(r"^a +running", command(run, "vm list"), re.M)
    assert "power key pressed; waiting up to 1 s" in command(run, "vm stop -t 1 a")
    assert re.search(r"^a +off", command(run, "vm list"), re.M)
    power_off(run)


def test_memory_adds_up(talk):
    run = talk("a", "b")
    open_shell(run)
    for order in (None, "vm stop -f a", "vm start a", "vm reset -f b"):
        if order:
            command(run, order)
        *parts, total = [int(mib) for mib in re.findall(r"^\S.*? (\d+) MiB", command(run, "mem"), re.M)]
        assert sum(parts) == total == 512
    power_off(run)


def test_deaf_guest(talk):
    run = talk("a")
    open_shell(run)
    assert "vm a: the guest does not listen to its power key" in command(run, "vm stop a")
    assert re.search(r"^a +off", command(run, "vm list"), re.M)
    power_off(run)


def test_debian_obeys_its_power_key(virt7):
    """gpio-keys of Debian's kernel; the example initramfs obeys it. The VM's clock is the host's (QEMU's is UTC)."""
    run = virt7(BUILD / "debian.itb", mem="1G", timeout=240)
    run.expect("userspace up")
    run.expect("~ # ")
    run.send("date +year=%Y\r")
    assert int(run.expect(r"\nyear=(\d+)\r")[1]) >= 2024
    open_shell(run)
    command(run, "vm stop -t 200 debian")
    assert re.search(r"^debian +off", command(run, "vm list"), re.M)
    assert "power key\n" in command(run, "log debian")
    power_off(run)


ORDER = "[-f] [-t SECONDS] VM"
SECONDS = "-t takes SECONDS, a number from 1 on, and then the VM"


@pytest.mark.parametrize("typed, said", [
    ("nonsense", "no such command; `help` lists them"),
    ("vm", "no such command; there are vm list, vm console, vm start, vm stop, vm reset, vm pause, vm resume, vm create, vm destroy"),
    ("vm strat a", "no such command; there are vm list, vm console, vm start, vm stop, vm reset, vm pause, vm resume, vm create, "
                   "vm destroy"),
    ("trace", "no such command; there are trace on, trace off, trace dump"),
    ("help nonsense", "no such command; `help` lists them"),
    ("help vm stop", "vm stop    [-f] [-t SECONDS] VM ask the guest to switch off; -f: do not ask"),
    ("help log", "log        [-l|CONSOLE]         the last output of a VM, of one of its consoles, or of virt7; -l: of virt7's last run"),
    ("help a b c", "usage: help [COMMAND]"),
    ("vm start", "usage: vm start VM"),
    ("vm start x y", "usage: vm start VM"),
    ("vm start x", "no VM is called x; `vm list` shows their names"),
    ("vm stop -t", f"vm stop: {SECONDS}\nusage: vm stop {ORDER}"),
    ("vm stop -t a", f"vm stop: {SECONDS}\nusage: vm stop {ORDER}"),
    ("vm reset -t x a", f"vm reset: {SECONDS}\nusage: vm reset {ORDER}"),
    ("vm stop -t 5", f"vm stop: which VM?\nusage: vm stop {ORDER}"),
    ("vm stop -f", f"vm stop: which VM?\nusage: vm stop {ORDER}"),
    ("vm stop -x a", f"vm stop: no option -x\nusage: vm stop {ORDER}"),
    ("vm stop a -f", f"vm stop: one VM, and options before it\nusage: vm stop {ORDER}"),
    ("vm destroy -f", "usage: vm destroy [-f] VM"),
    ("vm destroy -x a", "usage: vm destroy [-f] VM"),
    ("a b c d e f g h", "no such command; `help` lists them"),
])
def test_mistakes(talk, typed, said):
    run = talk("a")
    open_shell(run)
    assert command(run, typed).strip() == said
    power_off(run)


def test_editing(talk):
    run = talk("web", "worker", smp=1)
    open_shell(run)
    run.send("xvm lst\x1b[D\x1b[Di\x1b[H\x04\r")
    run.expect(r"web +running")
    run.expect(SHELL)
    run.send("\x10\r")  # history
    run.expect(r"web +running")
    run.expect(SHELL)
    run.send("lo\two\t\r")
    run.expect(r"log worker \r+\n")
    run.expect("talk: ready")
    run.expect(SHELL)
    run.send("vm console w\t")
    run.expect(r"web  worker\r")
    run.expect(r"vm console w")
    run.send("\x03")
    run.expect(r"\^C\r+\n" + SHELL)
    power_off(run)


def test_no_escape_key(virt7, mkbundle):
    """console.escape=0: every character is the guest's."""
    run = virt7(mkbundle(f"name=a,memory=8M,kernel={TALK}"), "-append", "console.escape=0")
    run.expect(r"talk: ready\r")
    run.send("x" + ESCAPE + "y\r")
    run.expect("heard: x" + ESCAPE + "y\r")
    run.send("off\r")
    assert run.wait() == 0


def shape(text):
    """What is the same in every run: numbers and widths are not, and of the trace only that there is one."""
    text = re.sub(r"(trace: )\d.*", r"\1...", text)
    return [" ".join(line.split()) for line in re.sub(r"\d+", "#", text).splitlines() if line.strip()]


def test_documented_session(talk):
    """docs/console.md shows a session: it is typed, and what comes out looks the same."""
    text = (ROOT / "docs" / "console.md").read_text()
    session = re.search(r"```\n(virt7> .*?)```", text, re.S)[1]
    run = talk("web,bootargs=listen=1", "worker,bootargs=listen=1", smp=2)
    open_shell(run)
    *steps, last = re.findall(r"^virt7> (.*?)\n(.*?)(?=^virt7> |\Z)", session, re.S | re.M)
    for typed, said in steps:
        assert shape(command(run, typed)) == shape(said), typed
    assert last == ("poweroff", "")
    power_off(run)


def trace_events(console):
    """The last dump of what a console has shown, through tools/trace2json, as the trace viewer gets it."""
    done = subprocess.run([ROOT / "tools" / "trace2json"], input=console, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["traceEvents"]


@pytest.mark.parametrize("smp", (1, 2))
def test_trace(talk, smp):
    run = talk("a", "b", smp=smp)
    open_shell(run)
    assert command(run, "trace dump").count("trace: ") == 1  # no record
    command(run, "trace on")
    run.send("vm console a\r")
    run.send("count 20\r")
    run.expect(r"line 20\r")
    open_shell(run)
    run.send("vm console b\r")
    run.send("hello\r")
    run.expect(r"heard: hello\r")
    open_shell(run)
    command(run, "trace dump 4096")
    command(run, "trace off")
    before = command(run, "trace dump 5")
    assert command(run, "trace dump 5") == before  # off: it stands still
    assert 1 <= before.count("\ntrace: 0 ") <= 5
    assert "expects how many records" in command(run, "trace dump 9999")
    run.send("trace dump 4096\r")
    run.expect(SHELL)
    power_off(run)

    events = trace_events(run.output())
    assert {event["ph"] for event in events} == {"M", "X", "i"}
    for event in events:
        assert {"ph", "pid", "name"} <= event.keys()
        if event["ph"] != "M":
            assert event["ts"] >= 0 and event["tid"] in range(smp)
    slices = [event for event in events if event["ph"] == "X"]
    assert all(event["dur"] >= 0 for event in slices)
    for cpu in range(smp):  # one thing at a time, without gaps
        row = [event for event in slices if event["tid"] == cpu]
        for one, other in zip(row, row[1:]):
            assert abs(one["ts"] + one["dur"] - other["ts"]) < 1e-3
    assert {"a/0", "b/0", "data-abort"} <= {event["name"] for event in slices}
    assert "inject 33" in {event["name"] for event in events}  # its UART's


def test_trace2json_of_something_else(tmp_path):
    done = subprocess.run([ROOT / "tools" / "trace2json"], input="hello\n", capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "not the output of `trace dump`" in done.stderr


@pytest.mark.parametrize("smp", (1, 2))
def test_destroy_and_create(talk, smp):
    """VMs are taken apart and put together again in any order, while others run, and every round leaves the same memory.

    1,000 rounds with SOAK=1. In turn the VM that is destroyed waits in its guest, floods, is paused, off, or has not begun.
    """
    run = talk("a", "b,cpus=2,watchdog-ms=3600000", "c", smp=smp)
    open_shell(run)
    seen = set()
    for n in range(1000 if SOAK else 20):
        name = "abc"[n % 3]
        if n % 5 == 1:
            run.send(f"vm console {name}\r")
            run.expect(r"\n> ")
            run.send("flood\r")
            run.expect(r"flood \d+\r")
            open_shell(run)
        elif n % 5 == 2:
            command(run, f"vm pause {name}")
        elif n % 5 == 3:
            command(run, f"vm stop -f {name}")
        elif n % 5 == 4:
            command(run, f"vm destroy -f {name}")
            command(run, f"vm create {name}")
        assert command(run, f"vm destroy -f {name}").endswith(f"virt7: vm {name}: destroyed\n")
        assert command(run, f"vm destroy {name}") == f"no VM is called {name}; `vm list` shows their names\n"
        assert not re.search(rf"^{name} ", command(run, "vm list"), re.M)
        seen.add((name == "b", re.search(r"free for VMs.*", command(run, "mem"))[0], re.search(r"heap: .*", run.child.before)[0]))
        assert len(seen) <= 2
        size = 2 if name == "b" else 1
        assert command(run, f"vm create {name}") == f"virt7: vm {name}: {size} vCPU{'s' if size > 1 else ''}, 8 MiB\n"
        assert re.search(rf"^{name} +created +0 of {size}", command(run, "vm list"), re.M)
        run.send(f"vm start {name}\r")
        run.expect(rf"virt7: vm {name}: loading kernel")
        run.expect(SHELL)
    for name in "abc":
        command(run, f"vm destroy -f {name}")
    assert command(run, "vm console") == "there is no VM: `vm create` one, or `poweroff`\n"
    command(run, "vm create b")
    command(run, "vm start b")
    run.send("vm console b\r")
    run.expect(r"talk: ready\r|\n> ")
    run.send("hello\r")
    run.expect(r"heard: hello\r")
    open_shell(run)
    power_off(run)


TESTDEV_ITS = """/dts-v1/;
/ {{
    description = "two VMs with the device for tests";
    images {{ guest {{ data = /incbin/("{image}"); type = "kernel"; arch = "arm"; os = "linux"; compression = "none";
                      hash-1 {{ algo = "crc32"; }}; }}; }};
    vms {{
        a {{ compatible = "virt7,vm"; cpus = <2>; memory = <8192>; cpu-affinity = <6>; kernel = "guest"; bootargs = "start=7";
            dev {{ compatible = "virt7,test-device"; start = <7>; }}; }};
        b {{ compatible = "virt7,vm"; memory = <8192>; cpu-affinity = <6>; kernel = "guest"; bootargs = "start=9";
            dev {{ compatible = "virt7,test-device"; start = <9>; }}; }};
        bad {{ compatible = "virt7,vm"; memory = <8192>; kernel = "guest";
              dev {{ compatible = "virt7,test-device"; start = <9>; stop = <1>; }}; }};
    }};
}};
"""


def test_device_of_two_vms(qemu, mkbundle, tmp_path):
    """A class of its own file and row: registers, interrupt, timer, node of the bundle, reset, save and restore, in two VMs at
    once on other CPUs than the shell's. Each is stopped amid an access, destroyed with its timer armed there, and made again."""
    its = tmp_path / "testdev.its"
    its.write_text(TESTDEV_ITS.format(image=BUILD / "guests" / "testdev.bin"))
    run = qemu("-M", "virt,virtualization=on,gic-version=2", "-cpu", "cortex-a15", "-smp", 3, "-m", "512M", "-nographic",
               "-kernel", BUILD / "virt7-testdev.bin", "-initrd", mkbundle(its), timeout=120)
    for name in "ab":
        run.expect_said(name, "testdev: ready")
    open_shell(run)
    assert "virt7: error: vm bad: /vms/bad/dev: stop: unknown property of a device; correct it or take it out" in run.output()
    memory = set()
    for name in ("a", "b") * 5:
        assert command(run, f"vm destroy -f {name}").endswith(f"virt7: vm {name}: destroyed\n")
        memory.add((name, command(run, "mem")))
        command(run, f"vm create {name}")
        command(run, f"vm start {name}")
        run.send(f"vm console {name}\r")
        run.expect(r"testdev: ready\r")
        open_shell(run)
        command(run, f"vm reset -f {name}")
    assert len(memory) == 2
    assert "FAIL: " not in run.output()
    assert "testdev: a timer of a device that is destroyed" not in run.output()
    assert run.output().count("PASS: the interrupt that was saved") >= 12
    power_off(run)


@pytest.mark.parametrize("cpu", ["cortex-a15", "max"])
def test_device_meets_memory_that_aborts(qemu, mkbundle, tmp_path, cpu):
    """What a device does in its guest's RAM, in two VMs at once. Copies in and out, of each alignment, run into memory that is
    not there at each of their bytes, behind the touch: -EIO each time, while HYP, the VM and its neighbour go on. The machine's
    RAM ends in a block's middle, of which virt7 gives nothing away: there tests/device/testdev.h has the hole."""
    its = tmp_path / "devmem.its"
    its.write_text(TESTDEV_ITS.format(image=BUILD / "guests" / "devmem.bin"))
    run = qemu("-M", "virt,virtualization=on,gic-version=2", "-cpu", cpu, "-smp", 3, "-m", "513M", "-nographic",
               "-kernel", BUILD / "virt7-testdev.bin", "-initrd", mkbundle(its), timeout=120)
    run.expect(r"virt7: no VM is running: power off\r|PANIC: ")
    for name in "ab":
        assert "summary: 36 passed, 0 failed" in run.said(name)
