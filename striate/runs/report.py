"""report.html: the result of a training, on one self-contained page."""

import base64
import html
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from striate.data.files import write_atomically
from striate.data.images import decode_image
from striate.runs.figures import Line, line_chart, reliability_diagram
from striate.runs.folder import REPORT, RunFolder
from striate.runs.scores import Scores, wilson_interval
from striate.runs.style import STYLE
from striate.runs.training import PhotoTraining, TrainedPhotos

__all__ = ["write_report"]

MISTAKES = 24
THUMBNAIL = 192  # pixels of the longer side
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"  # the page can load nothing, and run nothing


def write_report(training: PhotoTraining, trained: TrainedPhotos, run: RunFolder) -> None:
    """Write the run's report.html.

    Raises:
        FormatError: it cannot be written, or one of the pictures to show cannot be read.
    """
    classes, scores, settings = training.photos.classes, trained.scores, training.settings
    name = training.photos.root.resolve().name
    sections = [
        f"<h1>{_text(_one_of(classes))}?</h1>",
        f'<p class="lead">{_lead(scores, trained.split)}</p>',
        f"<p>{_text(_how(training, name))}</p>",
        _curves(run.log()),
        _confusion(scores, classes, trained.split),
        _classes(training, scores, trained.split),
        _calibration(scores),
        _mistakes(training, trained),
        _findings(training),
        _settings(training.config()),
    ]
    page = (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        f'<meta name="viewport" content="width=device-width">\n<title>{_text(name)}: {_text(settings.arch)}</title>\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n" + "\n".join(sections) + "\n</body>\n</html>\n"
    )
    write_atomically(run.path / REPORT, page.encode("utf-8", "backslashreplace"), "train")


def _text(value: object) -> str:
    return html.escape(str(value))


def _one_of(names: Sequence[str]) -> str:
    shown = list(names) if len(names) <= 6 else [*names[:4], f"one of {len(names) - 4} others"]
    return f"{', '.join(shown[:-1])} or {shown[-1]}"


def _lead(scores: Scores, split: str) -> str:
    count = len(scores.labels)
    low, high = wilson_interval(scores.accuracy, count)
    largest = np.bincount(scores.labels).max() / count
    return (
        f"{scores.accuracy:.1%} of {count:,} {split} pictures are recognised (95 % confidence interval: {low:.1%} to "
        f"{high:.1%}). Always answering the most frequent class would be right for {largest:.1%}."
    )


def _how(training: PhotoTraining, name: str) -> str:
    settings = training.settings
    begun = f"fine-tuned from {settings.weights}" if settings.weights else "trained from scratch"
    return (
        f"{settings.arch}, {training.model.count_params():,} parameters, {begun} on "
        f"{len(training.photos.splits['train']):,} pictures from “{name}”, {settings.epochs} epochs. The best epoch "
        "on the validation pictures was kept."
    )


def _curves(log: Sequence[Mapping[str, Any]]) -> str:
    def column(name: str) -> list[float | None]:
        return [line[name] for line in log]

    loss = [Line("training", "train", column("loss")), Line("validation", "validation", column("val_loss"))]
    accuracy = [
        Line("training", "train", column("accuracy")),
        Line("validation", "validation", column("val_accuracy")),
    ]
    rate = [Line("", "train", column("learning_rate"))]
    last = log[-1]
    return f"""<h2>Training</h2>
<p>Over epochs. The training line is measured on augmented pictures while the network still changes, so it may be the
worse of the two.</p>
<div class="pair">
<div><h3>Accuracy</h3>{line_chart(accuracy, _sentence("Accuracy", last, "accuracy"), "{:.0%}".format, 1.0)}</div>
<div><h3>Loss (cross-entropy)</h3>{line_chart(loss, _sentence("Loss", last, "loss"), "{:.2g}".format)}</div>
<div><h3>Learning rate</h3>{line_chart(rate, "Learning rate over epochs", "{:.2g}".format)}</div>
</div>"""


def _sentence(what: str, last: Mapping[str, Any], name: str) -> str:
    return f"{what} over epochs; in the last epoch training {last[name]:.3g}, validation {last[f'val_{name}'] or 0:.3g}"


def _confusion(scores: Scores, classes: Sequence[str], split: str) -> str:
    head = "".join(f'<th scope="col">{_text(name)}</th>' for name in classes)
    rows = []
    for name, counts in zip(classes, scores.confusion, strict=True):
        total = max(int(counts.sum()), 1)
        cells = "".join(
            f'<td style="background:color-mix(in srgb, var(--answer) {60 * count / total:.0f}%, var(--page))" '
            f'title="{_text(name)} taken for {_text(other)}: {count:,} of {counts.sum():,}">{count or "·"}</td>'
            for other, count in zip(classes, counts, strict=True)
        )
        rows.append(f'<tr><th scope="row">{_text(name)}</th>{cells}</tr>')
    return f"""<h2>Confusion matrix</h2>
<p>Of the {split} pictures: a row for each class, a column for each answer. The diagonal is right.</p>
<div class="scroll" tabindex="0"><table class="confusion"><thead><tr><th></th>{head}</tr></thead>
<tbody>{"".join(rows)}</tbody></table></div>"""


def _classes(training: PhotoTraining, scores: Scores, split: str) -> str:
    learnt, tested = training.photos.counts("train"), training.photos.counts(split)
    rows = "".join(
        f'<tr><th scope="row">{_text(name)}</th><td>{learnt[i]:,}</td><td>{tested[i]:,}</td>'
        f"<td>{_share(scores.recall[i])}</td><td>{_share(scores.precision[i])}</td></tr>"
        for i, name in enumerate(training.photos.classes)
    )
    return f"""<h2>Classes</h2>
<p>Recall: the share of a class's pictures that is recognised. Precision: the share of the answers with its name that is
right.</p>
<div class="scroll" tabindex="0"><table class="classes"><thead><tr><th></th><th scope="col">trained on</th>
<th scope="col">tested on</th><th scope="col">recall</th><th scope="col">precision</th></tr>
</thead><tbody>{rows}</tbody></table></div>"""


def _share(value: float) -> str:
    if math.isnan(value):
        return "—"
    return f'{value:.1%}<span class="share"><i style="width:{value:.1%}"></i></span>'


def _calibration(scores: Scores) -> str:
    confidence = float(scores.probabilities.max(axis=1).mean())
    verdict = "more" if confidence > scores.accuracy else "less"
    drawing = reliability_diagram(scores.bins, "Share of right answers by confidence")
    return f"""<h2>Calibration</h2>
<p>Its mean confidence is {confidence:.1%}, its accuracy {scores.accuracy:.1%}: it is {verdict} confident than it should
be. The expected calibration error is {scores.calibration_error:.1%}. Each bar is the share of right answers among those
of one tenth of confidence, in a stronger colour if there are many; a calibrated network's bars end at the dashed
line.</p>
<div class="pair"><div>{drawing}</div></div>"""


def _mistakes(training: PhotoTraining, trained: TrainedPhotos) -> str:
    scores, classes = trained.scores, training.photos.classes
    if not scores.mistakes:
        return "<h2>Worst mistakes</h2>\n<p>There are none.</p>"
    figures = []
    for number in scores.mistakes[:MISTAKES]:
        photo, answer = trained.photos[number], int(scores.answers[number])
        figures.append(
            f'<figure><img alt="{_text(photo.name)}" src="{_thumbnail(training.photos.path(photo))}">'
            f"<figcaption><b>{_text(classes[answer])}, {scores.probabilities[number, answer]:.0%} sure</b>"
            f"it is {_text(classes[photo.label])}<br>{_text(photo.name)}</figcaption></figure>"
        )
    return f"""<h2>Worst mistakes</h2>
<p>{len(scores.mistakes):,} of {len(scores.labels):,} answers are wrong; these have the highest confidence. Check
whether the label or the network is wrong.</p>
<div class="mistakes">{"".join(figures)}</div>"""


def _thumbnail(path: str) -> str:
    from PIL import Image

    picture = Image.fromarray(decode_image(path))
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    content = io.BytesIO()
    picture.save(content, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(content.getvalue()).decode()}"


def _findings(training: PhotoTraining) -> str:
    if not training.findings:
        return "<h2>The pictures</h2>\n<p>The checks found nothing unusual.</p>"
    items = "".join(
        f"<li>{_text(one.what)}: {one.count:,}, {_text(one.consequence)}<span>{_text(', '.join(one.examples))}"
        f"{', …' if one.count > len(one.examples) else ''}</span></li>"
        for one in training.findings
    )
    return f"<h2>The pictures</h2>\n<p>Findings of the checks before training.</p>\n<ul>{items}</ul>"


def _settings(config: Mapping[str, Any]) -> str:
    values = {name: value for name, value in config["settings"].items() if value not in (None, "")}
    values["augmentation"] = ", ".join(values["augmentation"]["names"]) or "none"
    values |= {"data": config["data"]["hash"][:16]} | config["versions"]
    rows = "".join(f"<dt>{_text(name.replace('_', ' '))}</dt><dd>{_text(value)}</dd>" for name, value in values.items())
    return f"<h2>Settings</h2>\n<p>All settings, to repeat the training, are in config.json.</p>\n<dl>{rows}</dl>"
