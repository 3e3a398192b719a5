"""What reports say in every run."""

from __future__ import annotations

from geo_urc.text import Text

TEXTS: dict[str, Text] = {
    "title": Text("城市更新政策适用性筛查报告", "Urban renewal policy screening report"),
    "asOf": Text("政策日期", "Policies as of"),
    "rulebook": Text("规则库版本", "Rulebook version"),
    "software": Text("软件版本", "Software version"),
    "crs": Text("计算坐标系", "Evaluation system"),
    "inputs": Text("输入文件", "Inputs"),
    "results": Text("各政策结果", "Results by rule"),
    "districts": Text("分区结果", "Results by district"),
    "open": Text("需人工研判与资料不足", "Reviews and unknowns"),
    "parameters": Text("与内置规则库不同的参数", "Parameters that differ from the rulebook"),
    "notices": Text("假定与提示", "Assumptions and notices"),
    "aside": Text("未采用的记录", "Records set aside"),
    "operations": Text("坐标转换", "Coordinate operations"),
    "sources": Text("政策依据", "Sources"),
    "rule": Text("政策", "Rule"),
    "subject": Text("对象", "Subject"),
    "total": Text("合计", "Total"),
    "district": Text("区", "District"),
    "verdict": Text("结论", "Verdict"),
    "reason": Text("原因", "Reason"),
    "count": Text("数量", "Count"),
    "supply": Text("如何补充", "What to supply"),
    "name": Text("名称", "Name"),
    "value": Text("取值", "Value"),
    "unit": Text("单位", "Unit"),
    "kind": Text("类型", "Kind"),
    "where": Text("位置", "Where"),
    "text": Text("内容", "Text"),
    "role": Text("角色", "Role"),
    "file": Text("文件", "File"),
    "record": Text("记录", "Record"),
    "records": Text("记录数（读入／采用／未采用）", "Records (read / used / set aside)"),
    "cells": Text("格", "cells"),
    "repaired": Text("修复／无法使用", "Repaired / unusable"),
    "hash": Text("SHA-256", "SHA-256"),
    "declared": Text("坐标系（基准）", "System (datum)"),
    "assumed": Text("假定", "assumed"),
    "operation": Text("转换", "Operation"),
    "accuracy": Text("精度（米）", "Accuracy (m)"),
    "policyClass": Text("政策类别", "Policy class"),
    "layersMissing": Text("缺少图层", "Layers not given"),
    "notInForce": Text("判定日期未施行、未判定的政策", "Not in force on the date, not evaluated"),
    "from": Text("自", "From"),
    "until": Text("至", "Until"),
    "none": Text("无。", "None."),
    "concerns": Text(
        "程序性措施（按属性匹配，不计算）", "Procedural measures (matched, not computed)"
    ),
    "concernsNote": Text(
        "送来筛查的对象视为更新项目；此处的数目不是结论，也不计入结论。",
        "The sites handed in are taken to be renewal sites. These numbers are no verdicts and are "
        "counted with none.",
    ),
    "matched": Text("有关", "Concerned"),
    "undecided": Text("待定", "Left open"),
    "department": Text("由谁决定", "Who decides"),
    "catalogue": Text("政策目录", "Catalogue of measures"),
    "catalogueShow": Text(
        "全部措施和条款，及本次如何处理", "All measures and clauses, and this run"
    ),
    "assess": Text("判定方式", "Kind"),
    "status": Text("本次处理", "In this run"),
    "source": Text("依据", "Source"),
    "whom": Text("适用对象", "Whom"),
    "noDistrict": Text("（不明）", "(not known)"),
    "method": Text("方法与假定", "Method and assumptions"),
    "methodText": Text(
        "对每个对象逐条核对政策所列条件：先由所给图层和属性量得事实，再与政策限值比较，"
        "并计入数据精度。结论为下列五种之一；限值、依据和公式出自规则库，见“政策依据”。",
        "Every subject is checked against the conditions of each rule: facts are measured from "
        "the layers and attributes given, and compared with the policy's limits within the "
        "accuracy of the data. The verdict is one of five words; limits and sources are the "
        "rulebook's, see Sources.",
    ),
    "meaning": Text("含义", "Meaning"),
    "subjects": Text("筛查对象", "Subjects"),
    "data": Text("数据", "Data"),
    "signature": Text("签署", "Signatures"),
    "prepared": Text("编制人", "Prepared by"),
    "checked": Text("审核人", "Checked by"),
    "approved": Text("批准人", "Approved by"),
    "dataDate": Text("数据日期", "Date of the data"),
    "day": Text("签署日期", "Signed on"),
    "responsible": Text("责任人", "Responsible"),
    "system": Text("坐标系", "System"),
    "rulebookShort": Text("规则库", "Rulebook"),
    "which": Text("对象", "Subjects"),
    "everyone": Text("全部对象", "all subjects"),
    "andMore": Text(" 等，另有 {n} 个", " and {n} more"),
    "openNote": Text(
        "每项原因列出前 {n} 个对象；全部对象见 Excel 报告或 eligibility.gpkg。"
        "一个对象有多项原因时，每项各计一次。",
        "The first {n} subjects are named for each reason; all are in the Excel report "
        "and in eligibility.gpkg. A subject with several reasons "
        "counts under each.",
    ),
    "asideMore": Text(
        "共 {n} 条，此处列出前 {listed} 条，其余见 eligibility.gpkg 的表 set_aside。",
        "{n} in all; the first {listed} are listed here, "
        "the rest in the table set_aside of eligibility.gpkg.",
    ),
    "perDistrict": Text(
        "（宗地可跨区，按面积较大的一区统计）", "(by the district of the larger share)"
    ),
    "disclaimer": Text(
        "“符合”只表示按所给数据满足可计算的条件，不是行政许可；试点、探索类政策不构成权利。",
        "“Eligible” says only that the computable conditions hold on the data given. It is no permit, "
        "and a pilot or exploratory measure gives no entitlement.",
    ),
}

KINDS: dict[str, Text] = {
    "assumption": Text("假定", "assumption"),
    "repair": Text("修复", "repair"),
    "warning": Text("警告", "warning"),
}

SUPPLY: dict[str, Text] = {
    "layer_missing": Text("在 LAYERS.toml 中提供该图层", "give the layer in LAYERS.toml"),
    "attribute_missing": Text(
        "在数据中补充该属性，并在 LAYERS.toml 的 fields 中对应列名",
        "add the attribute and name its column under fields in LAYERS.toml",
    ),
    "outside_coverage": Text(
        "提供覆盖更大范围的图层，或用 coverage 声明其完整范围",
        "give a layer that reaches further, or declare its coverage",
    ),
    "geometry_unusable": Text("修正图形后重新运行", "correct the geometry and run again"),
    "datum_unknown": Text(
        "向数据提供方核实坐标基准，并在 LAYERS.toml 中写明 datum",
        "ask the keeper for the datum and state it in LAYERS.toml",
    ),
    "value_unrecognised": Text(
        "在 LAYERS.toml 的 values 中说明该取值", "explain the value under values in LAYERS.toml"
    ),
    "within_accuracy": Text(
        "提供更精确的测量数据（accuracy_m），或由人工判定",
        "give more accurate data (accuracy_m), or decide by hand",
    ),
    "soft_limit": Text("由主管部门论证决定", "for the department to decide"),
    "straddles": Text("核实边界，由人工判定", "check the boundary and decide by hand"),
    "reading_open": Text("由主管部门解释", "for the department to interpret"),
    "not_met": Text("由人工核实该条件", "check the condition by hand"),
}
"""Reason → what would settle it."""

MEANINGS: dict[str, Text] = {
    "eligible": Text(
        "按所给数据，可计算的条件全部满足，且与限值之差大于数据精度。",
        "All computable conditions hold on the data given, by more than the data's accuracy.",
    ),
    "ineligible": Text(
        "至少一项条件确定不满足；原因列出未满足的条件。",
        "At least one condition surely fails; the reasons name it.",
    ),
    "review": Text(
        "数据不足以区分两侧，或政策文字有待解释，由人判定。",
        "The data cannot tell the two sides apart, or the text leaves it open: a person decides.",
    ),
    "unknown": Text(
        "缺少图层、属性或参数，补充后即可判定；不等于不符合。",
        "A layer, an attribute or a parameter is missing; this is not ineligible.",
    ),
    "not_applicable": Text(
        "对象不属于该政策所指的对象。", "The rule is not about subjects of this kind."
    ),
}
"""Verdict → what it says and what not."""
