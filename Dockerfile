# The server alone: no compiler, no corpora, nobody's rights but an ordinary user's.
#
#   docker build -t vocalics .
#   vocalics serve --new-token ann                     prints a token, and its line for VOCALICS_TOKENS
#   docker run --rm -p 8000:8000 -e VOCALICS_TOKENS=ann:... --read-only --cap-drop ALL --memory 2g vocalics

FROM python:3.12-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE MODEL-LICENCES.md ./
COPY src src
RUN python -m venv /opt/vocalics && /opt/vocalics/bin/pip install --no-cache-dir '.[serve]'

FROM python:3.12-slim
COPY --from=build /opt/vocalics /opt/vocalics
RUN useradd --system --no-create-home --shell /usr/sbin/nologin vocalics
USER vocalics
# The model's threads are the server's own; a library's would only get into their way.
ENV PATH=/opt/vocalics/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 OMP_NUM_THREADS=1
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["vocalics", "serve"]
CMD ["--host", "0.0.0.0", "--port", "8000"]
