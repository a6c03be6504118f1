# The gateway: the open streams of clients.
# `make images` builds it: the context is made by tools/images.py, of wheels that requirements.lock
# names. The build itself needs no network, and BASE no more than Python 3.11 and libstdc++.
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS libraries
COPY pip-*.whl libraries.txt wheels /build/
RUN PYTHONPATH=$(echo /build/pip-*.whl) python3 -m pip install --quiet --no-cache-dir --no-index --no-deps \
    --find-links /build --require-hashes --root-user-action=ignore \
    --target /opt/signet/libraries --requirement /build/libraries.txt

FROM ${BASE} AS program
COPY pip-*.whl program /build/
RUN PYTHONPATH=$(echo /build/pip-*.whl) python3 -m pip install --quiet --no-cache-dir --no-index --no-deps \
    --root-user-action=ignore --target /opt/signet/program /build/signet-*.whl

FROM ${BASE}
COPY --from=libraries /opt/signet/libraries /opt/signet/libraries
COPY --from=program /opt/signet/program /opt/signet/program
ENV PATH=/opt/signet/program/bin:${PATH} \
    PYTHONPATH=/opt/signet/program:/opt/signet/libraries \
    PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    HOME=/var/lib/signet SIGNET_DATA=/var/lib/signet SIGNET_LOG_FORMAT=json
WORKDIR /var/lib/signet
USER 10001:10001
EXPOSE 7400 7401 7403 7405
ENTRYPOINT ["python3", "-m", "signet.gateway"]
