from __future__ import annotations

import gzip
import hashlib
import json
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossover.privacy import rules, secret_prose, secrets
from crossover.privacy.seeking import seeker
from crossover.privacy.words import Finding

# Texts written for this file; no value in them is anybody's.
TOLD = [
    'password = "Sup3rSecret!"',
    "DB_PASSWORD=whiteduke99",
    "export PGPASSWORD=goodspec77",
    "password: correcthorse9",
    '"password": "hunter2"',
    "'passwd' => 'Tr0ub4dor'",
    "<password>hunter2</password>",
    '<add key="SmtpPassword" value="Wint3r!2023"/>',
    '<property name="password" value="blueb1rd"/>',
    'const apiKey = "9f8e7d6c5b4a39281706f5e4d3c2b1a0";',
    "api_key: 9f8e7d6c5b4a39281706f5e4d3c2b1a1",
    'API_TOKEN="Zk3vQ9xR7tW2mN8pL4sD"',
    "let secret = 'kX9mP2vL7qR4tW8n';",
    'String password = "Passw0rd#9";',
    'var password string = "gopherS3cret"',
    'val apiKey: String = "a8f5f167f44f4964e6c998dee827110c"',
    'private const string ClientSecret = "3mQ8~vX2kL9pR5tW7nB1";',
    'set password "letme1n-now"',
    "mysql -u root -pS3cretRoot mydb",
    "mysqldump --password=Qw3rty77x shop",
    "curl -u admin:Adm1n!2024 https://internal.host/api",
    'curl -H "Authorization: Bearer 7f3c9a1be5d84c0fa2" https://x.y',
    'curl -H "X-Api-Key: 7f3c9a1be5d84c0fa2b6" https://x.y',
    "Authorization: Basic YWRtaW46UzNjcmV0IQ==",
    "Authorization: token 0123f9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c4d3e2",
    "--token=7f3c9a1be5d84c0fa2b6e1",
    "--api-key 7f3c9a1be5d84c0fa2b6e1",
    "-Password 'C0mplex!Pass'",
    "redis://:p4ssw0rdX@redis.internal:6379/0",
    "amqp://svc:Kj8sd7fG@mq:5672/",
    "postgres://app:v3rYs3cr3t@db:5432/app",
    "mysql+pymysql://root:r00tpw@127.0.0.1/x",
    "mongodb+srv://me:Zx9cVb2n@cluster0.abcde.mongodb.net",
    "jdbc:mysql://h/db?user=app&password=Kj8sd7fG",
    "Server=db;Database=x;User Id=sa;Password=Kj8!sd7fG;",
    "Driver={ODBC Driver 17};Server=h;Uid=u;Pwd=zzTop1985;",
    "https://user:ghK29dkfTq@git.internal/repo.git",
    "The password is hunter2",
    'The wifi password is "bananaboat"',
    "my password is Tr0ub4dor&3",
    "the passphrase is: correct-horse-7",
    "My PIN is 4821",
    "password for the staging server is Kx82jd!",
    "login with user bob and password Summer2024!",
    "Use the API key 9f8e7d6c5b4a39281706f5e4d3c2b1a0 for requests",
    "our api key is 9f8e7d6c5b4a39281706f5e4d3c2b1a0",
    "Here is the token: 7f3c9a1be5d84c0fa2b6e17f3c9a1be5",
    "Mein Passwort ist Sonne2024!",
    "Das Kennwort lautet Blume77",
    "Le mot de passe est Soleil2024!",
    "La contraseña es Verano2024!",
    "La password è Estate2024!",
    "A senha é Verao2024!",
    "Het wachtwoord is Zomer2024!",
    "Hasło to Lato2024!",
    "Lösenordet är Sommar2024!",
    "Пароль: Лето2024!",
    "パスワードは Natsu2024! です",
    "the door code is 4711",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA7bq98dfQ2Fh3kLmN",
    "AWS_SECRET_ACCESS_KEY=kT9vQ2xR7mW4nB8pL1sD6fG3hJ5zX0cV2bN4mQ7w",
    "machine git.internal login me password Kj8sd7fG",
    "$2b$12$KIXQ0Z8b9u5u3T8Z6X1YxO9uS0m7Yk0m9Yc6eT5nQ4wR3vB2aL1dC",
    "requirepass Kj8sd7fGq2",
    '- name: DB_PASSWORD\n  value: "Kj8sd7fGq2"',
    '{"name": "API_KEY", "value": "Kj8sd7fGq2Lm4n"}',
    "ENV SECRET_KEY Kj8sd7fGq2Lm4nXx",
    "Cookie: sessionid=8f14e45fceea167a5a36dedd4bea2543; theme=dark",
    'os.environ["STRIPE_KEY"] = "Kj8sd7fGq2Lm4nXxP9"',
    "acme_live_8Fh3kLmN2Qx7RtW9vB4sD6gJ",
    "config.set('jwt_secret', 'n8Kj8sd7fGq2Lm4n')",
    'props.setProperty("password", "Kj8sd7fGq2")',
    'user.setPassword("Kj8sd7fGq2");',
    'auth=("admin", "Kj8sd7fGq2")',
    'new NetworkCredential("svc", "Kj8sd7fGq2")',
    "CREATE USER app IDENTIFIED BY 'Kj8sd7fGq2';",
    "ALTER USER app WITH PASSWORD 'Kj8sd7fGq2';",
    'variable "db_password" { default = "Kj8sd7fGq2" }',
    "Username: bob\nPassword: Fluffy99!",
    "credentials: bob / Fluffy99!",
    "password=Kj8sd7fGq2&next=/home",
    "PRIVATE_KEY=0x4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318",
    "otpauth://totp/x?secret=JBSWY3DPEHPK3PXPGEZD&issuer=y",
    "_authToken=Kj8sd7fGq2Lm4nXxP9",
    'echo "deploy:Kj8sd7fGq2" | chpasswd',
    "sshpass -p 'Kj8sd7fGq2' ssh root@h",
    "docker login -u me -p Kj8sd7fGq2Lm",
    '"refresh_token":"tGzv3JOkF0XG5Qx2TlKWIA"',
    "?access_token=Kj8sd7fGq2Lm4nXxP9&x=1",
    "spring.datasource.password=Kj8sd7fGq2",
    "kubectl create secret generic x --from-literal=password=Kj8sd7fGq2",
    'secret: "s3cr3t-v4lu3-9x"',
    "i forgot, my login is anna and the pw is Katze123",
    "密码是 Yuan7Kx2",
    "SECRET_KEY_BASE: 8c41f0aa37d95e62b1f4c07d93ea5b26",
]
HARMLESS = [
    'password = os.environ["DB_PASSWORD"]',
    'password = getpass.getpass("Password: ")',
    "const token = req.headers.authorization;",
    'api_key = "YOUR_API_KEY"',
    "API_KEY=<your-api-key>",
    "OPENAI_API_KEY=sk-...",
    "export TOKEN=xxxxxxxxxxxxxxxx",
    "password: string;",
    "password: str",
    '"password": "********"',
    "password = changeme",
    "DB_PASSWORD=${DB_PASSWORD}",
    "DB_PASSWORD: {{ .Values.db.password }}",
    "password: !secret db_password",
    "POSTGRES_PASSWORD: postgres",
    "postgresql://user:password@localhost:5432/db",
    "postgres://${USER}:${PASS}@host/db",
    "token = self.next_token()",
    "tokens = tokenizer.encode(text)",
    "max_tokens=1024",
    'pad_token="<pad>", eos_token="</s>"',
    'key = "user_id"',
    "primary_key=True",
    'cache_key = f"user:{user_id}"',
    '"token_type": "bearer"',
    "if password != confirm_password:",
    'assert user.check_password("wrong")',
    '<input type="password" name="password" placeholder="Enter your password">',
    '<label for="password">Password:</label>',
    '"forgot_password": "Forgot your password?"',
    'password_reset_url = "/accounts/password/reset/"',
    "secretName: my-app-tls",
    "secretKeyRef: {name: db-credentials, key: password}",
    "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    '"integrity": "sha512-Kj8sd7fGq2Lm4nXxP9tYuIoPaSdFgHjKlZxCvBnMqWeRtYuIoP=="',
    "id: 3fa85f64-5717-4562-b3fc-2c963f66afa6",
    "arn:aws:iam::123456789012:role/MyRole",
    "s3://my-bucket/path/to/key",
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQC7vbqajDhA user@host",
    "The password is incorrect.",
    "Your password is too short",
    "The password must be at least 8 characters",
    "The secret is to whisk the eggs slowly.",
    "The key is patience and practice.",
    "password is required",
    "The token is expired",
    "Passwords are hashed with bcrypt",
    "How do I reset my password in Django?",
    "the password is stored as a SHA-256 hash",
    "What is a JWT token and how does it work?",
    "tool_call_id: call_abc123DEF456ghi789JKL012",
    "toolu_01A09q90qw90lq917835lq9X",
    '"id": "chatcmpl-AbCdEf123456GhIjKl789012MnOpQr"',
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk",
    "https://docs.google.com/document/d/1BxiMVs0XRA5nFMdKvBdBZjgmUUqptlbs74OgvE2upms/edit",
    'const handler = require("./authHandler");',
    "auth: { required: true }",
    "pin = 13",
    "led_pin: 2",
    "session = requests.Session()",
    "password_hash VARCHAR(255) NOT NULL",
    "validates :password, presence: true, length: { minimum: 8 }",
    "'password' => 'required|string|min:8|confirmed',",
    "z.object({ password: z.string().min(8) })",
    "Bearer <token>",
    "Authorization: Bearer $TOKEN",
    "Authorization: Bearer {token}",
    "curl -u username:password https://api.example.com",
    'curl -H "Authorization: Bearer YOUR_TOKEN" https://api',
    "AKIAIOSFODNN7EXAMPLE",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A",
    "-----BEGIN CERTIFICATE-----\nMIIDdzCCAl+gAwIBAgIE",
    'if header.startswith("-----BEGIN PRIVATE KEY-----"):',
    "ip-10-0-0-12.ec2.internal i-0abcd1234efgh56789",
    "nginx-deployment-66b6c48dd5-7tpjq",
    'uuid = "550e8400-e29b-41d4-a716-446655440000"',
    "key={item.id}",
    "Keyboard shortcuts: press the key Ctrl+Alt+Del",
    "the author = Douglas Adams 1979",
    'passenger: "John Smith"',
    "Das Passwort ist falsch.",
    "Le mot de passe est incorrect.",
    "La contraseña es obligatoria",
    "self.password = password",
    "this.token = token;",
    "user.password = hashed_password",
    "password=password",
    "PASSWORD_MIN_LENGTH = 12",
    'csrf_token = "{{ csrf_token() }}"',
    "secret_key = secrets.token_hex(32)",
    'client_id = "1234567890-abc.apps.googleusercontent.com"',
    '"public_key": "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE"',
    'const KEY_ENTER = "Enter13";',
    '"next_page_token": "CAoQAA8f3kd9sKd02jdkslQ"',
    "the API key goes in the X-API-Key header",
    "Set the environment variable API_KEY to your key",
]
UNDECIDED = {  # no detector of secrets can decide these labels: identifiers, names of buckets, public keys
    "Amazon Resource Name",
    "AWS Account ID",
    "Google Cloud Storage Bucket",
    "Shopify Domain",
    "React App Username",
    "Age Recipient (X25519 public key)",
    "LinkedIn Client ID",
    "Twitter Client ID",
    "GitHub Client ID",
}


@cache
def book(*, vendors: bool) -> rules.Rulebook:
    return rules.rulebook(rule for rule in rules.load("secrets") if vendors or not rule.vendor)


def everything(text: str, *, vendors: bool = True) -> list[Finding]:
    return [*rules.find(book(vendors=vendors), text), *secrets.find(text)]


@pytest.mark.parametrize("text", TOLD)
def test_a_secret_is_found_whatever_it_stands_in(text: str) -> None:
    found = everything(text, vendors=False)
    assert found
    assert all(0 <= one.start < one.end <= len(text) and one.category == "secrets" for one in found)


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_looks_like_a_secret_is_none(text: str) -> None:
    assert [(one.rule, text[one.start : one.end]) for one in everything(text)] == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('password = "Sup3rSecret!"', "Sup3rSecret!"),
        ("?access_token=Kj8sd7fGq2Lm4nXxP9&x=1", "Kj8sd7fGq2Lm4nXxP9"),
        ("<password>blueb1rd</password>", "blueb1rd"),
        ("DB_PASSWORD=${DB_PASSWORD:-blueb1rd7}", "blueb1rd7"),
        ("the wifi password is sunflower.", "sunflower"),
        ("Ihr Passwort lautet \u201eSonne2024!\u201c.", "Sonne2024!"),
        ("my pin is 4821, do not tell", "4821"),
        ('{"name": "API_KEY", "value": "Kj8sd7fGq2Lm4n"}', "Kj8sd7fGq2Lm4n"),
        ('\\"password\\": \\"blueb1rd\\"', "blueb1rd"),
        ("\U0001f511 \u0130 password: blueb1rd7", "blueb1rd7"),
    ],
)
def test_exactly_the_value_is_marked(text: str, value: str) -> None:
    assert value in [text[one.start : one.end] for one in secrets.find(text)]


@pytest.mark.parametrize(
    ("text", "field", "kind"),
    [
        ("whiteduke", "password", "password"),
        (" Kj8sd7fGq2Lm4n ", "clientSecret", "secret"),
        ("8f14e45fceea167a5a36dedd4bea2543", "x-auth-token", "token"),
        ("Hello", "token", ""),
        ("call_8Fh3kLmN2Qx7RtW9vB4sD6gJ", "tool_call_id", ""),
        ("Enter your password", "password_hint", ""),
        ("string", "password", ""),
        ("${PASSWORD}", "password", ""),
    ],
)
def test_the_name_of_a_field_counts(text: str, field: str, kind: str) -> None:
    found = [one for one in secrets.find(text, field) if one.rule == "field-name"]
    assert [(text[one.start : one.end], one.kind) for one in found] == ([(text.strip(), kind)] if kind else [])


KEY = "-----BEGIN OPENSSH PRIVATE KEY-----"
FOOT = "-----END OPENSSH PRIVATE KEY-----"
BODY = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAAB"


@pytest.mark.parametrize(
    ("text", "end"),
    [
        (f"{KEY}\n{BODY}\n{BODY}\n{FOOT} more", FOOT),
        (f"key: '{KEY}\\n{BODY}\\n{FOOT}\\n'", FOOT),
        (f"{KEY}\n{BODY}\nand then prose", BODY),
        (f"see {KEY}", KEY),
        (f"{KEY}\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0011\n\n{BODY}\n{FOOT}", FOOT),
    ],
)
def test_a_private_key_is_marked_to_its_end(text: str, end: str) -> None:
    found = [one for one in secrets.find(text) if one.kind == "private_key"]
    assert len(found) == 1
    assert text[found[0].start :].startswith(KEY)
    assert end in text[found[0].start : found[0].end]


def test_a_header_that_code_compares_with_is_no_key() -> None:
    assert secrets.find(f'if text.startswith("{KEY}"):\n    raise ValueError') == []


@pytest.mark.parametrize(
    ("pattern", "first"),
    [
        (secrets._ASSIGNED, secrets._FIRST),
        (secret_prose._TELLING, secret_prose._FIRST_TELLING),
        (secret_prose._NEAR, secret_prose._FIRST_NEAR),
    ],
)
def test_without_re2_the_same_places_are_looked_at(pattern: str, first: str) -> None:
    quick, plain = seeker(pattern, first), seeker(pattern, first, engine="stdlib")
    for text in (*TOLD, *HARMLESS):
        assert list(quick(text)) == list(plain(text)), text


@given(st.text())
def test_no_text_breaks_it(text: str) -> None:
    for one in secrets.find(f"password: {text} token={text}"):
        assert one.start < one.end


def test_lone_surrogates_and_nul_are_survived() -> None:
    text = "\ud800\x00 password: blueb1rd7 \udfff"
    assert [text[one.start : one.end] for one in secrets.find(text) if one.rule == "assigned-secret"] == ["blueb1rd7"]


def test_the_shared_set_of_forms(shared_data: Path) -> None:
    """Rows of held-out rules are left for others to measure on. What is missed are mostly values made up by hand."""
    with gzip.open(shared_data / "privacy" / "secrets_noseyparker.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    known = [row for row in rows if int(hashlib.sha256(row["rule"].encode()).hexdigest(), 16) % 5]
    wanted = [row["text"] for row in known if row["spans"] and row["rule"] not in UNDECIDED]
    hits = sum(bool(everything(text)) for text in wanted)
    unaided = sum(bool(everything(text, vendors=False)) for text in wanted)
    assert len(wanted) > 300
    assert hits / len(wanted) >= 0.85
    assert unaided / len(wanted) >= 0.79
