"""Serves the model of a file; what it is told stands in JSON. Run by the tests."""

import json
import sys
import time
from dataclasses import replace
from pathlib import Path

from vocalics import modelfile
from vocalics.recognizer import Recognizer
from vocalics.web import server
from vocalics.web.settings import Limits, Settings


class SlowModel(modelfile.LoadedModel):
    """Takes a while for every window."""

    delay = 0.0

    def judge(self, batch, voice=None):
        time.sleep(self.delay)
        return super().judge(batch, voice)


if __name__ == "__main__":
    told = json.loads(sys.argv[2])
    SlowModel.delay = told.pop("delay", 0.0)
    limits = Limits(**told.pop("limits", {}))
    model = modelfile.load(Path(sys.argv[1]))
    slow = SlowModel(model.session, model.card, model.sha256)
    server.run(replace(Settings(port=0, limits=limits), **told), {"fake": Recognizer(slow)})
