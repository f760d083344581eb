"""Texts that speak of secrets and hold none: code, configuration, questions. Written for these tests."""

HARMLESS = [
    'password = os.environ["DB_PASSWORD"]',
    'password = getpass.getpass("Password: ")',
    "const token = req.headers.authorization;",
    'api_key = "YOUR_API_KEY"',
    "API_KEY=<your-api-key>",
    "OPENAI_API_KEY=sk-...",
    "export TOKEN=xxxxxxxxxxxxxxxx",
    'assert not accepts(password="weak")',
    'post("/signup", {"name": "a", "password": "toolong"})',
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
    (
        'version: "3.8"\n'
        "services:\n"
        "  db:\n"
        "    image: postgres:15\n"
        "    environment:\n"
        "      POSTGRES_USER: app\n"
        "      POSTGRES_PASSWORD: ${POSTGRES_PASSWORD:?set in .env}\n"
        "      POSTGRES_DB: app\n"
        "  redis:\n"
        "    image: redis:7@sha256:5a1b3c9d7e2f4a6b8c0d1e3f5a7b9c2d4e6f8a0b1c3d5e7f9a2b4c6d8e0f1a3b"
    ),
    (
        "from fastapi import Depends, HTTPException\n"
        "from fastapi.security import OAuth2PasswordBearer\n"
        'oauth2_scheme = OAuth2PasswordBearer(tokenUrl="token")\n'
        'SECRET_KEY = os.getenv("SECRET_KEY")\n'
        'ALGORITHM = "HS256"\n'
        "ACCESS_TOKEN_EXPIRE_MINUTES = 30\n"
        "def create_access_token(data: dict, expires_delta: timedelta | None = None):\n"
        "    to_encode = data.copy()\n"
        "    encoded_jwt = jwt.encode(to_encode, SECRET_KEY, algorithm=ALGORITHM)\n"
        "    return encoded_jwt"
    ),
    (
        "name: CI\n"
        "on: [push]\n"
        "jobs:\n"
        "  build:\n"
        "    runs-on: ubuntu-latest\n"
        "    steps:\n"
        "      - uses: actions/checkout@8e5e7e5ab8b370d6c329ec480221332ada57f0ab\n"
        "      - uses: docker/login-action@v3\n"
        "        with:\n"
        "          username: ${{ secrets.DOCKERHUB_USERNAME }}\n"
        "          password: ${{ secrets.DOCKERHUB_TOKEN }}\n"
        "      - run: npm publish\n"
        "        env:\n"
        "          NODE_AUTH_TOKEN: ${{ secrets.NPM_TOKEN }}"
    ),
    (
        'resource "aws_db_instance" "main" {\n'
        "  allocated_storage = 20\n"
        '  engine = "postgres"\n'
        '  username = "admin"\n'
        "  password = var.db_password\n"
        "  db_subnet_group_name = aws_db_subnet_group.main.name\n"
        '  kms_key_id = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890a'
        'b"\n'
        "}"
    ),
    (
        "apiVersion: v1\n"
        "kind: Secret\n"
        "metadata:\n"
        "  name: my-secret\n"
        "type: Opaque\n"
        "stringData:\n"
        "  username: admin\n"
        "  password: <replace-me>\n"
        "---\n"
        "env:\n"
        "  - name: DB_PASSWORD\n"
        "    valueFrom:\n"
        "      secretKeyRef:\n"
        "        name: db-secret\n"
        "        key: password"
    ),
    (
        "# .env.example\n"
        "OPENAI_API_KEY=sk-your-key-here\n"
        "DATABASE_URL=postgresql://user:password@localhost:5432/mydb\n"
        "REDIS_URL=redis://localhost:6379\n"
        "JWT_SECRET=change-me-in-production\n"
        "STRIPE_SECRET_KEY=sk_test_...\n"
        "SENTRY_DSN=https://examplePublicKey@o0.ingest.sentry.io/0"
    ),
    (
        "const user = await User.findOne({ email });\n"
        'if (!user) return res.status(401).json({ message: "Invalid credentials" });\n'
        "const isMatch = await bcrypt.compare(password, user.password);\n"
        'const token = jwt.sign({ id: user._id }, process.env.JWT_SECRET, { expiresIn: "1h" });\n'
        'res.cookie("token", token, { httpOnly: true });'
    ),
    (
        'import React, { useState } from "react";\n'
        "export default function Login() {\n"
        '  const [password, setPassword] = useState("");\n'
        "  const [error, setError] = useState<string | null>(null);\n"
        '  return <input type="password" value={password} onChange={(e) => setPassword(e.target.val'
        'ue)} placeholder="Password" aria-label="password" />;\n'
        "}"
    ),
    (
        "class UserSerializer(serializers.ModelSerializer):\n"
        "    password = serializers.CharField(write_only=True, min_length=8)\n"
        "    token = serializers.CharField(max_length=255, read_only=True)\n"
        "    class Meta:\n"
        "        model = User\n"
        '        fields = ["email", "username", "password", "token"]'
    ),
    (
        "def test_login(client):\n"
        '    response = client.post("/login", json={"username": "alice", "password": "password123"}'
        ")\n"
        "    assert response.status_code == 200\n"
        '    assert "access_token" in response.json()'
    ),
    (
        "CREATE TABLE users (\n"
        "  id SERIAL PRIMARY KEY,\n"
        "  email VARCHAR(255) UNIQUE NOT NULL,\n"
        "  password_hash VARCHAR(60) NOT NULL,\n"
        "  reset_token UUID DEFAULT gen_random_uuid(),\n"
        "  api_key CHAR(40)\n"
        ");\n"
        "INSERT INTO users (email) VALUES ('a@example.com');"
    ),
    (
        "spring:\n"
        "  datasource:\n"
        "    url: jdbc:postgresql://localhost:5432/demo\n"
        "    username: ${DB_USER}\n"
        "    password: ${DB_PASS}\n"
        "  security:\n"
        "    oauth2:\n"
        "      client:\n"
        "        registration:\n"
        "          google:\n"
        "            client-id: ${GOOGLE_CLIENT_ID}\n"
        "            client-secret: ${GOOGLE_CLIENT_SECRET}"
    ),
    (
        "curl -X POST https://api.openai.com/v1/chat/completions \\\n"
        '  -H "Content-Type: application/json" \\\n'
        '  -H "Authorization: Bearer $OPENAI_API_KEY" \\\n'
        '  -d \'{"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]}\' '
    ),
    (
        "from transformers import AutoTokenizer\n"
        'tokenizer = AutoTokenizer.from_pretrained("gpt2")\n'
        "tokenizer.pad_token = tokenizer.eos_token\n"
        'special_tokens = {"bos_token": "<s>", "additional_special_tokens": ["<|im_start|>", "<|im_'
        'end|>"]}\n'
        'inputs = tokenizer("Hello world", return_tensors="pt", max_length=512)'
    ),
    (
        "diff --git a/auth.py b/auth.py\n"
        "index 3f2a1b9..c8d7e6f 100644\n"
        "--- a/auth.py\n"
        "+++ b/auth.py\n"
        "@@ -10,7 +10,7 @@ def login():\n"
        "-    token = generate_token(user)\n"
        "+    token = generate_token(user, ttl=3600)\n"
        "commit 4b825dc642cb6eb9a060e54bf8d69288fbee4904"
    ),
    (
        '{"lockfileVersion": 3, "packages": {"node_modules/lodash": {"version": "4.17.21", "resolve'
        'd": "https://registry.npmjs.org/lodash/-/lodash-4.17.21.tgz", "integrity": "sha512-v2kDEe5'
        '7lecTulaDIuNTPy3Ry4gLGJ6Z1O3vE1krgXZNrsQ+LFTGHVxVjcXPs17LhbZVGedAJv8XZ1tvj5FvSg=="}}}'
    ),
    (
        "[[package]]\n"
        'name = "cryptography"\n'
        'version = "42.0.5"\n'
        "files = [\n"
        '    {file = "cryptography-42.0.5-cp37-abi3-macosx_10_12_universal2.whl", hash = "sha256:a3'
        '0596bae9403a342c978fb47d9b0ee277699fa53bbafad14706af51fe543d16"},\n'
        "]"
    ),
    "What is the difference between an API key and an access token? When should I use which?",
    "Explain how OAuth 2.0 refresh tokens work, and why the client secret must stay on the server.",
    ("Write a bash script that generates a random password of 16 characters and copies it to the clipboard."),
    (
        "Our users complain that the password field is too small on mobile. The token is refreshed "
        "every 15 minutes. Any ideas?"
    ),
    "I forgot my password and the reset link is expired. What should I do?",
    'Translate to German: "Your password must contain at least one number and one special character."',
    (
        "Please summarise: the key to a good marriage is communication; the secret of success is co"
        "nsistency; the token gesture was appreciated."
    ),
    "In the game, the password is given by the wizard after you complete level 3.",
    "The secret ingredient is cinnamon. Add 2 tsp.",
    "Key: C major. Tempo: 120bpm. Chords: Am7 F#m7b5 Bb13",
    (
        "func (s *Server) Login(ctx context.Context, req *pb.LoginRequest) (*pb.LoginResponse, erro"
        "r) {\n"
        "\ttoken, err := s.tokens.Issue(ctx, req.GetUsername())\n"
        "\tif err != nil {\n"
        '\t\treturn nil, status.Errorf(codes.Unauthenticated, "invalid password: %v", err)\n'
        "\t}\n"
        "\treturn &pb.LoginResponse{Token: token}, nil\n"
        "}"
    ),
    (
        '@Value("${app.jwt.secret}")\n'
        "private String jwtSecret;\n"
        "@Bean\n"
        "public PasswordEncoder passwordEncoder() { return new BCryptPasswordEncoder(); }\n"
        'String password = request.getParameter("password");\n'
        'if (password == null || password.isEmpty()) throw new IllegalArgumentException("Password r'
        'equired");'
    ),
    (
        "location /api {\n"
        "    proxy_set_header Authorization $http_authorization;\n"
        "    proxy_set_header X-Api-Key $http_x_api_key;\n"
        '    auth_basic "Restricted";\n'
        "    auth_basic_user_file /etc/nginx/.htpasswd;\n"
        "}"
    ),
    (
        'ssh-keygen -t ed25519 -C "me@example.com" -f ~/.ssh/id_ed25519 -N ""\n'
        "chmod 600 ~/.ssh/id_ed25519\n"
        "ssh -i ~/.ssh/id_ed25519 ubuntu@203.0.113.10"
    ),
    (
        "aws configure set aws_access_key_id $AWS_ACCESS_KEY_ID\n"
        "aws secretsmanager get-secret-value --secret-id prod/db/password --query SecretString --ou"
        "tput text\n"
        "aws sts assume-role --role-arn arn:aws:iam::123456789012:role/Admin --role-session-name de"
        "v"
    ),
    (
        '<form action="/login" method="post">\n'
        '<input type="hidden" name="csrfmiddlewaretoken" value="{% csrf_token %}">\n'
        '<input name="username" autocomplete="username"><input name="password" type="password" auto'
        'complete="current-password">\n'
        "</form>"
    ),
    (
        "i18n.json\n"
        '{"login": {"password": "Passwort", "forgotPassword": "Passwort vergessen?", "passwordPlace'
        'holder": "Geben Sie Ihr Passwort ein", "token": "Token", "apiKey": "API-Schlüssel"}}'
    ),
    (
        'localStorage.setItem("token", data.token);\n'
        'const headers = { Authorization: `Bearer ${localStorage.getItem("token")}` };\n'
        'axios.defaults.headers.common["Authorization"] = "Bearer " + token;'
    ),
    (
        "Traceback (most recent call last):\n"
        '  File "app.py", line 12, in <module>\n'
        '    client = OpenAI(api_key=os.environ["OPENAI_API_KEY"])\n'
        "KeyError: 'OPENAI_API_KEY'\n"
        "openai.AuthenticationError: Error code: 401 - {'error': {'message': 'Incorrect API key pro"
        "vided: sk-abc**********xyz.', 'code': 'invalid_api_key'}}"
    ),
    (
        'require("dotenv").config();\n'
        'const mongoose = require("mongoose");\n'
        "mongoose.connect(`mongodb+srv://${process.env.DB_USER}:${process.env.DB_PASS}@cluster0.mon"
        "godb.net/test`);\n"
        "// example: mongodb+srv://<username>:<password>@cluster0.mongodb.net/myDB"
    ),
    (
        "Password policy:\n"
        "- minimum length: 12\n"
        "- at least one of !@#$%^&*\n"
        "- passwords expire after 90 days\n"
        "- account lockout: 5 attempts\n"
        "- MFA token required"
    ),
    (
        'JWT structure: header.payload.signature, e.g. eyJhbGciOi... The "alg" claim is HS256. The '
        "secret is shared between issuer and verifier."
    ),
    (
        'variable "db_password" {\n'
        '  description = "Database password"\n'
        "  type        = string\n"
        "  sensitive   = true\n"
        "}\n"
        'output "token" { value = data.external.token.result }'
    ),
    (
        "import hashlib\n"
        'password = input("Enter password: ")\n'
        "digest = hashlib.sha256(password.encode()).hexdigest()\n"
        'print(digest == "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8")'
    ),
    (
        'PasswordField("Password", validators=[DataRequired(), Length(min=8), EqualTo("confirm", me'
        'ssage="Passwords must match")])\n'
        'submit = SubmitField("Sign in")'
    ),
    (
        "pin = Pin(25, Pin.OUT)\n"
        "#define LED_PIN 13\n"
        "#define KEY_UP 0x26\n"
        "const int buttonPin = 2;\n"
        "key = cv2.waitKey(1) & 0xFF"
    ),
    (
        'redis-cli -h localhost -a "$REDIS_PASSWORD" ping\n'
        "mysql -u root -p mydb < dump.sql\n"
        'mysqldump -u root -p"$MYSQL_ROOT_PASSWORD" mydb\n'
        'psql "host=localhost dbname=app user=app password=$PGPASSWORD"'
    ),
    (
        "class Token:\n"
        "    def __init__(self, type, value, line):\n"
        "        self.type = type\n"
        "        self.value = value\n"
        'tokens = [Token("NUMBER", "42", 1), Token("IDENT", "foo_bar12", 2)]\n'
        'KEYWORDS = {"auth": "AUTH", "pass": "PASS", "secret": "SECRET2"}'
    ),
    "The Wi-Fi password is printed on the back of the router. The default PIN is on the sticker.",
    "Secret Santa list: Anna -> Ben, Ben -> Carla. Budget: $25. Code word: reindeer",
    ('My passport number field keeps failing validation: pattern="[A-Z0-9]{6,9}" — passport = "passport_number"'),
    (
        "PATCH /v1/api_keys/{key_id} HTTP/1.1\n"
        "Host: api.example.com\n"
        "Authorization: Bearer {{access_token}}\n"
        "X-Request-Id: 7f3c9a1b-e5d8-4c0f-a2b6-e1d3f5a7b9c1\n"
        "Idempotency-Key: 7f3c9a1b-e5d8-4c0f-a2b6-e1d3f5a7b9c2\n"
        "\n"
        '{"name": "ci", "scopes": ["read"]}'
    ),
    (
        "openssl req -x509 -newkey rsa:4096 -keyout key.pem -out cert.pem -days 365 -nodes\n"
        "-----BEGIN CERTIFICATE-----\n"
        "MIIFazCCA1OgAwIBAgIRAIIQz7DSQONZRGPgu2OCiwAwDQYJKoZIhvcNAQELBQAw\n"
        "TzELMAkGA1UEBhMCVVMxKTAnBgNVBAoTIEludGVybmV0IFNlY3VyaXR5IFJlc2Vh\n"
        "-----END CERTIFICATE-----"
    ),
    (
        'ETag: "33a64df551425fcc55e4d42a148795d9f25f89d4"\n'
        "cache-key: v1-linux-node-3f2a1b9c8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a\n"
        "trace_id=4bf92f3577b34da6a3ce929d0e0e4736 span_id=00f067aa0ba902b7\n"
        's3_key = "uploads/2024/05/IMG_20240501_123456.jpg"'
    ),
    (
        'assert hash_password("hunter2") != "hunter2"\n'
        'expect(screen.getByLabelText("Password")).toBeInTheDocument();\n'
        'cy.get("#password").type("wrong-password");\n'
        "await page.fill('input[name=\"password\"]', password);"
    ),
    (
        "Schlüsselwörter: Passwort, Token, PIN. Das Passwort ist mindestens 12 Zeichen lang. Der To"
        "ken wird nach 60 Minuten ungültig."
    ),
    (
        "Le jeton est valide pendant 24 heures. La clé est dans le coffre-fort. Le mot de passe doi"
        "t contenir 8 caractères."
    ),
    "Wie lautet das Passwort für den Router? Ich habe das Passwort vergessen.",
    (
        'session = boto3.Session(profile_name="dev")\n'
        's3 = session.client("s3", config=Config(signature_version="s3v4"))\n'
        'url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "reports/20'
        '24/q1.pdf"}, ExpiresIn=3600)'
    ),
    (
        "GET /oauth/authorize?response_type=code&client_id=abc123&redirect_uri=https%3A%2F%2Fexampl"
        "e.com%2Fcb&state=xyz&scope=read\n"
        "POST /oauth/token grant_type=authorization_code&code=AUTH_CODE&client_secret=CLIENT_SECRET"
    ),
    (
        "auth = HTTPBasicAuth(username, password)\n"
        "requests.get(url, auth=(user, passwd))\n"
        "smtp.login(EMAIL_USER, EMAIL_PASS)\n"
        'paramiko.connect(host, username="ubuntu", key_filename="/home/me/.ssh/id_rsa", password=No'
        "ne)"
    ),
    (
        "Sub Workbook_Open()\n"
        "  ActiveSheet.Protect Password:=pwd\n"
        '  Const KEY_NAME As String = "HKEY_CURRENT_USER\\Software\\VB"\n'
        "End Sub"
    ),
    (
        'public record ApiKeyOptions { public string HeaderName { get; init; } = "X-Api-Key"; publi'
        'c string SectionName = "Authentication:ApiKey"; }\n'
        'var key = configuration["Authentication:ApiKey"];'
    ),
]
