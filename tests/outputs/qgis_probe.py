"""Run by the system's Python: open a GeoPackage in QGIS and print what a user would see."""

import json
import sys


def seen_layer(layer) -> dict:
    """Return what QGIS made of a layer."""
    from qgis.core import (
        QgsAttributeEditorElement,
        QgsAttributeEditorHtmlElement,
        QgsRenderContext,
        QgsWkbTypes,
    )
    from qgis.PyQt import sip

    renderer = layer.renderer()
    context = QgsRenderContext()
    renderer.startRender(context, layer.fields())
    hidden = 0
    colours, patterns = {}, {}
    for feature in layer.getFeatures():
        symbol = renderer.originalSymbolForFeature(feature, context)
        hidden += symbol is None
        if symbol is not None:
            value = str(feature[renderer.classAttribute()])
            colours[value] = symbol.color().name()
            patterns[value] = [
                (part.layerType(), str(sorted(part.properties().items())))
                for part in symbol.symbolLayers()
            ]
    renderer.stopRender(context)
    form = layer.editFormConfig()
    labels = layer.labeling().settings()
    return {
        "valid": layer.isValid(),
        "kind": QgsWkbTypes.displayString(layer.wkbType()),
        "features": layer.featureCount(),
        "crs": layer.crs().authid(),
        "renderer": renderer.type(),
        "attribute": renderer.classAttribute(),
        "labels": [category.label() for category in renderer.categories()],
        "hidden": hidden,
        "colours": colours,
        "patterns": patterns,
        "aliases": {
            field.name(): layer.attributeDisplayName(i) for i, field in enumerate(layer.fields())
        },
        "words": {
            field.name(): layer.editorWidgetSetup(i).config().get("map")
            for i, field in enumerate(layer.fields())
            if layer.editorWidgetSetup(i).type() == "ValueMap"
        },
        "locked": [field.name() for i, field in enumerate(layer.fields()) if form.readOnly(i)],
        "form": {
            page.name(): {
                box.name(): [element.name() for element in box.children()]
                for box in page.children()
            }
            for page in form.tabs()
        },
        "basis": [
            sip.cast(element, QgsAttributeEditorHtmlElement).htmlCode()
            for page in form.tabs()
            for box in page.children()
            for element in box.children()
            if element.type() == QgsAttributeEditorElement.AeTypeHtmlElement
        ],
        "display": layer.displayExpression(),
        "called": labels.fieldName,
        "called_from": labels.minimumScale if labels.scaleVisibility else None,
        "called_first": evaluated(labels.fieldName, layer),
        "tips": [tip(layer, feature) for feature in layer.getFeatures()][:3],
    }


def evaluated(expression: str, layer) -> str:
    """Return the value of an expression for the first feature."""
    from qgis.core import QgsExpression

    parsed = QgsExpression(expression)
    value = parsed.evaluate(context_of(layer, next(layer.getFeatures())))
    return parsed.evalErrorString() or parsed.parserErrorString() or value


def tip(layer, feature) -> str:
    """Return the map tip of a feature."""
    from qgis.core import QgsExpression

    return QgsExpression.replaceExpressionText(layer.mapTipTemplate(), context_of(layer, feature))


def context_of(layer, feature):
    """Return the context in which QGIS evaluates expressions on a feature."""
    from qgis.core import QgsExpressionContext, QgsExpressionContextUtils

    context = QgsExpressionContext(QgsExpressionContextUtils.globalProjectLayerScopes(layer))
    context.setFeature(feature)
    return context


def seen_project(path: str, file: str) -> dict:
    """Open a project, export its first layout, and return what there is."""
    from qgis.core import (
        QgsApplication,
        QgsLayoutExporter,
        QgsLayoutItemLabel,
        QgsLayoutItemScaleBar,
        QgsProject,
        QgsVectorLayer,
    )

    kept = QgsApplication.projectStorageRegistry().projectStorageFromType("geopackage")
    names = kept.listProjects(path)
    project = QgsProject.instance()
    seen = {
        "names": names,
        "read": project.read(file or f"geopackage:{path}?projectName={names[0]}"),
        "title": project.title(),
        "crs": project.crs().authid(),
    }
    layers = [layer for layer in project.mapLayers().values() if isinstance(layer, QgsVectorLayer)]
    seen["layers"] = {
        layer.id(): seen_layer(layer) | {"style": layer.styleManager().currentStyle()}
        for layer in layers
        if layer.isSpatial()
    }
    seen["tables"] = {
        layer.name(): [layer.isValid(), layer.featureCount(), layer.attributeDisplayName(1)]
        for layer in layers
        if not layer.isSpatial()
    }
    seen["groups"] = {
        group.name(): [child.name() for child in group.children()]
        for group in project.layerTreeRoot().children()
    }
    themes = project.mapThemeCollection()
    seen["themes"] = {
        name: {
            record.layer().id(): record.currentStyle
            for record in themes.mapThemeState(name).layerRecords()
        }
        for name in themes.mapThemes()
    }
    # A style that is chosen later must not take the form away.
    seen["others"] = {}
    parcels = project.mapLayer("geo_urc_parcels")
    for style in reversed(parcels.styleManager().styles()) if parcels else ():
        parcels.styleManager().setCurrentStyle(style)
        renderer = parcels.renderer()
        seen["others"][style] = [
            renderer.classAttribute() if renderer.type() == "categorizedSymbol" else None,
            len(parcels.editFormConfig().tabs()),
            parcels.attributeDisplayName(parcels.fields().indexOf("t08a_verdict")),
        ]
    layouts = project.layoutManager().printLayouts()
    seen["layouts"] = [layout.name() for layout in layouts]
    settings = QgsLayoutExporter.PdfExportSettings()
    settings.dpi = 96
    first = layouts[0]
    seen["texts"] = [
        item.currentText() for item in first.items() if isinstance(item, QgsLayoutItemLabel)
    ]
    # A bar that knows neither map nor unit has no width.
    seen["bars"] = [
        [item.style(), item.unitLabel(), item.unitsPerSegment(), item.rect().width()]
        for item in first.items()
        if isinstance(item, QgsLayoutItemScaleBar)
    ]
    seen["exported"] = QgsLayoutExporter(first).exportToPdf(f"{path}.pdf", settings)
    seen["pages"] = first.atlas().updateFeatures()
    seen["album"] = QgsLayoutExporter.exportToPdf(first.atlas(), f"{path}.album.pdf", settings)[0]
    project.clear()
    return seen


def main(path: str, layers: list) -> None:
    """Print, layer by layer and for the project, what QGIS made of the file."""
    # Only the system's Python has QGIS; pytest imports this file too.
    from qgis.core import QgsApplication, QgsVectorLayer

    application = QgsApplication([], False)
    application.initQgis()
    file = layers.pop() if layers[-1].endswith(".qgz") else ""
    seen = {}
    for name in layers:
        layer = QgsVectorLayer(f"{path}|layername={name}", name, "ogr")
        seen[name] = seen_layer(layer) | {"styles": layer.listStylesInDatabase()[2]}
        del layer
    seen["project"] = seen_project(path, file)
    sys.stdout.write("SEEN" + json.dumps(seen) + "\n")
    sys.stdout.flush()
    application.exitQgis()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
