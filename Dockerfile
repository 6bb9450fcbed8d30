# Hone for a workstation with an NVIDIA card; Dockerfile.cpu is for one without.
#   docker build -t hone .
#   docker run --rm -it -v hone:/hone/workspace hone user add anna --admin
#   docker run -d --gpus all -p 7860:7860 -v hone:/hone/workspace hone
FROM python:3.11-slim
WORKDIR /hone
ENV PYTHONUNBUFFERED=1 NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
# torch from PyPI brings CUDA along.
COPY requirements.txt start.py ./
RUN python -c "import start, sys; sys.exit(start.update_environment(['requirements.txt']))" \
    && rm -rf /root/.cache
COPY app.py README.md LICENSE ./
COPY engine engine
COPY ui ui
COPY presets presets
RUN useradd --create-home hone && mkdir workspace && chown hone workspace
USER hone
ENV HOME=/home/hone
VOLUME /hone/workspace
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=10s --start-period=120s \
    CMD python -c "import urllib.request as web; web.urlopen('http://127.0.0.1:7860/login', timeout=8)"
ENTRYPOINT ["python", "start.py"]
CMD ["--users", "workspace/users.json", "--host", "0.0.0.0", "--no-browser"]
