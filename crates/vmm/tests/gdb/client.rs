//! A debugger of our own: just the protocol, so that no gdb is needed.

use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A multiboot image of 32-bit code that begins at 0x100020.
pub(crate) fn image(code: &[u8]) -> Vec<u8> {
    const LOAD_ADDRESS: u32 = 0x10_0000;
    let (magic, flags) = (0x1bad_b002_u32, 1_u32 << 16);
    let checksum = 0_u32.wrapping_sub(magic.wrapping_add(flags));
    let words = [magic, flags, checksum, LOAD_ADDRESS, LOAD_ADDRESS, 0, 0, LOAD_ADDRESS + 32];
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    bytes.extend_from_slice(code);
    bytes
}

/// The command with a guest in it, waiting for a debugger.
pub(crate) struct Run {
    pub(crate) child: Child,
    pub(crate) port: u16,
    messages: Option<std::thread::JoinHandle<String>>,
    _folder: tempfile::TempDir,
}

impl Run {
    /// Starts a guest of the given code, or the built-in one.
    pub(crate) fn start(code: Option<&[u8]>, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut command = Command::new(env!("CARGO_BIN_EXE_openwhp"));
        command.args(["run", "--net", "none", "--memory", "16M", "--timeout", "120"]);
        if let Some(code) = code {
            let path: PathBuf = folder.path().join("guest");
            std::fs::write(&path, image(code)).expect("room for a small file");
            command.arg("--kernel").arg(path);
        }
        command.args(arguments);
        Self::spawn(command, folder)
    }

    /// Starts a prepared command.
    pub(crate) fn spawn(mut command: Command, folder: tempfile::TempDir) -> Self {
        command.args(["--gdb", "tcp:127.0.0.1:0"]).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the command starts");
        let mut lines = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut line = String::new();
        while !line.contains(" at tcp:") {
            line.clear();
            assert_ne!(lines.read_line(&mut line).expect("a pipe can be read"), 0, "the command ended");
        }
        let port = line.trim().rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
        let messages = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = lines.read_to_string(&mut text);
            text
        });
        Self { child, port, messages: Some(messages), _folder: folder }
    }

    /// Waits for the end; its status and what was said on standard error.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        // A full pipe would keep the guest from ending.
        let mut output = self.child.stdout.take().expect("a pipe");
        let drain = std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        let status = self.child.wait().expect("it was started here").code();
        let _ = drain.join();
        let messages = self.messages.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        (status, messages)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
}

impl Client {
    /// Connects, and asks for no acknowledgements and for thread numbers alone.
    pub(crate) fn connect(run: &Run) -> Self {
        let mut client = Self::connect_raw(run.port);
        client.send("qSupported:swbreak+;hwbreak+");
        assert!(client.receive().contains("qXfer:features:read+"));
        client.send("QStartNoAckMode");
        assert_eq!(client.receive(), "OK");
        client
    }

    pub(crate) fn connect_raw(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("somebody listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
        Self { stream }
    }

    pub(crate) fn send(&mut self, body: &str) {
        let sum = body.bytes().fold(0_u8, |sum, byte| sum.wrapping_add(byte));
        self.stream.write_all(format!("${body}#{sum:02x}").as_bytes()).expect("a connection");
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        let mut byte = [0];
        match self.stream.read(&mut byte) {
            Ok(1) => Some(byte[0]),
            Ok(_) => None,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => None,
            Err(error) => panic!("no answer: {error}"),
        }
    }

    /// The next packet, with repetitions spelled out; empty when the connection ended.
    pub(crate) fn receive(&mut self) -> String {
        loop {
            match self.byte() {
                Some(b'$') => break,
                Some(_) => {}
                None => return "closed".to_owned(),
            }
        }
        let mut text = Vec::new();
        loop {
            match self.byte() {
                Some(b'#') => break,
                Some(b'*') => {
                    let count = self.byte().expect("a count") - 29;
                    let last = *text.last().expect("something to repeat");
                    text.extend(std::iter::repeat_n(last, count.into()));
                }
                Some(byte) => text.push(byte),
                None => return "closed".to_owned(),
            }
        }
        let _checksum = (self.byte(), self.byte());
        String::from_utf8_lossy(&text).into_owned()
    }

    pub(crate) fn ask(&mut self, body: &str) -> String {
        self.send(body);
        self.receive()
    }

    /// Asks for something that must be done.
    pub(crate) fn order(&mut self, body: &str) {
        assert_eq!(self.ask(body), "OK", "{body}");
    }

    /// Lets the machine go; the reason of its next stop.
    pub(crate) fn resume(&mut self, body: &str) -> String {
        let mut answer = self.ask(body);
        while answer.starts_with('O') && answer != "OK" {
            answer = self.receive();
        }
        answer
    }

    /// Runs a `monitor` command; what it prints.
    pub(crate) fn monitor(&mut self, command: &str) -> String {
        let hex: String = command.bytes().map(|byte| format!("{byte:02x}")).collect();
        let mut text = String::new();
        self.send(&format!("qRcmd,{hex}"));
        loop {
            let answer = self.receive();
            match answer.strip_prefix('O') {
                Some("K") => return text,
                Some(hex) => text.push_str(&String::from_utf8_lossy(&bytes_of(hex))),
                None => panic!("monitor {command}: {answer}"),
            }
        }
    }

    /// A register of the selected thread by its number, little-endian.
    pub(crate) fn register(&mut self, number: u32) -> u64 {
        let bytes = bytes_of(&self.ask(&format!("p{number:x}")));
        bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
    }

    /// A word of memory.
    pub(crate) fn word(&mut self, address: u64) -> u32 {
        let bytes = bytes_of(&self.ask(&format!("m{address:x},4")));
        u32::from_le_bytes(bytes.try_into().expect("four bytes"))
    }

    pub(crate) fn interrupt(&mut self) -> String {
        self.stream.write_all(&[3]).expect("a connection");
        self.receive()
    }
}

pub(crate) const RAX: u32 = 0;
pub(crate) const RBX: u32 = 1;
pub(crate) const RCX: u32 = 2;
pub(crate) const RIP: u32 = 16;

pub(crate) fn bytes_of(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex
        .chars()
        .map(|digit| digit.to_digit(16).unwrap_or_else(|| panic!("not hex: {hex}")) as u8)
        .collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair.get(1).copied().unwrap_or(0)).collect()
}

/// Whether a program of this name can be found.
pub(crate) fn has_program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| Path::new(&folder).join(name).is_file())
}
